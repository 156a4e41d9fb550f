"""The contract of decoders: given an encoded source, they return a vector for each next target; they do not know the
vocabulary."""

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
        0.0,
        ge=0,
        le=1,
        description="rate of scheduled sampling: in training, the model's own prediction replaces an input",
    )


class Decoder(nn.Module):
    """Returns vectors of `output_size`, for all steps at once or for one step at a time; both agree.

    `read` computes what a decoder needs of a source, once for each source, as a state (tensors, batch first). The
    hypotheses of a source share it.
    """

    output_size: int

    @abstractmethod
    def read(self, encoded: Encoded) -> State:
        """What the steps need of the source, such as the keys and values of attention or a summary; batch first."""

    @abstractmethod
    def initial_state(self, source: State, rows: int) -> State:
        """The state before the first step, (batch * rows, ...), source by source."""

    @abstractmethod
    def forward(
        self, inputs: Float[Tensor, "batch time input"], source: State, lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch time output"]:
        """All steps of one target for each source; values in padding are undefined."""

    @abstractmethod
    def step(
        self, inputs: Float[Tensor, "batch rows input"], state: State, source: State
    ) -> tuple[Float[Tensor, "batch rows output"], State, Float[Tensor, "batch rows source"] | None]:
        """One step of the `rows` hypotheses of each source. Returns vectors, the new state, and attention weights."""
