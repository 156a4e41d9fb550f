"""The contract of a decoder: given what was read, a vector for each next target. Knows no vocabulary."""

from __future__ import annotations

from abc import abstractmethod

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from seqloom.config import Settings
from seqloom.models.encoder import Encoded
from seqloom.nn.layer import State


class DecoderSettings(Settings):
    scheduled_sampling: float = Field(
        0.0, ge=0, le=1, description="rate at which the model's own prediction replaces an input in training"
    )


class Decoder(nn.Module):
    """Gives vectors of `output_size`, all steps at once or one at a time; both agree.

    What a decoder takes of a source is a state like any other, made by `read`, once a source. Hypotheses of one source
    share it.
    """

    output_size: int

    @abstractmethod
    def read(self, encoded: Encoded) -> State:
        """What the steps need of the source: keys and values of attention, a summary; batch first."""

    @abstractmethod
    def initial_state(self, source: State, rows: int) -> State:
        """The memory before the first step, (batch * rows, ...), source by source."""

    @abstractmethod
    def forward(
        self, inputs: Float[Tensor, "batch time input"], source: State, lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time output"]:
        """All steps, from the first on, of one target a source; what stands in padding means nothing."""

    @abstractmethod
    def step(
        self, inputs: Float[Tensor, "batch rows input"], state: State, source: State
    ) -> tuple[Float[Tensor, "batch rows output"], State, Float[Tensor, "batch rows source"] | None]:
        """One step of each of the `rows` hypotheses of each source: vectors, state, and the shares of attention."""
