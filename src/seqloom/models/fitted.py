"""Models without gradients: fitted in one pass or in closed form, or by several passes over the data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray
from pydantic import Field

from seqloom.config import Settings
from seqloom.errors import SeqloomError

PARTS = "parts"
"""The folder of a mixture's parts, one folder each, named by its number."""


class Fitted(ABC):
    """A model that has no gradients. Once it is fitted or opened, it is ready for use."""

    uses_torch: ClassVar[bool] = False
    """Whether the model is an `nn.Module`. If not, neither training nor use of it imports torch."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes all that `open` needs, `model.safetensors` among it."""

    @abstractmethod
    def open(self, folder: Path) -> None:
        """Reads what `save` wrote."""

    @abstractmethod
    def num_parameters(self) -> int: ...

    @property
    def vocab_size(self) -> int | None:
        """The number of token ids that the model takes; None where it takes none."""
        return None


def check_vocabulary(model: Any, vocab_size: int, where: str) -> None:
    """Raises SeqloomError where a fitted model and its tokenizer are not of one size: compiled loops check no index."""
    if isinstance(model, Fitted) and model.vocab_size not in (None, vocab_size):
        raise SeqloomError(
            "the model and its tokenizer do not belong together",
            where=where,
            got=f"{vocab_size:,} tokens",
            expected=f"{model.vocab_size:,}, as the model has",
        )


class FittedInOnePass(Fitted):
    """A model that is fitted at once: by counting, or in closed form."""

    @abstractmethod
    def fit(self, train: Any, valid: Any, codec: Any) -> None:
        """Fits the model to the training data. `valid` may choose what is not estimated from it, such as weights.

        The data and the codec are those that the task's recipe makes.
        """


class PassSettings(Settings):
    """When the training of a model that is fitted by passes stops and saves."""

    patience: int = Field(
        2, ge=0, description="stop after so many evaluations without gain on the validation data; 0: never"
    )
    checkpoint_seconds: float = Field(300.0, gt=0, description="seconds of training from one checkpoint to the next")


class FittedByPasses(Fitted):
    """A model that passes over its training data several times, in steps. Between steps, `state` is all that training
    resumes from."""

    @abstractmethod
    def begin(self, train: Any, codec: Any, seed: int) -> None:
        """Makes the model as it is before the first step. The data and the codec are those that the task's recipe
        makes."""

    @abstractmethod
    def num_steps(self) -> int:
        """How many steps a pass over the training data has."""

    @abstractmethod
    def step(self, epoch: int, step: int, share: float) -> tuple[float, int]:
        """Learns from one part of the training data, when `share` of the budget is spent. Returns the loss before
        learning, in nats, summed, and the number of predictions that it is summed over."""

    @abstractmethod
    def measure(self, data: Any) -> tuple[float, int]:
        """The loss on held-out data in nats, summed, and the number of predictions. The model does not change."""

    @abstractmethod
    def state(self) -> dict[str, NDArray[Any]]: ...

    @abstractmethod
    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Takes up a `state`, after `begin` with the same arguments."""
