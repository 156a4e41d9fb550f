"""The contracts of models that are fitted without gradients, in one pass, in closed form or by several passes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray
from pydantic import Field

from seqloom.config import Settings

PARTS = "parts"
"""The subfolder of a mixture with its parts, each in a folder named by its number."""


class WithoutGradients(ABC):
    """A model that is not trained by gradients: its task scores it without the loss of batches."""

    @abstractmethod
    def num_parameters(self) -> int: ...


class Fitted(WithoutGradients):
    """A model that is fitted. Once fitted or opened, it is ready for use."""

    uses_torch: ClassVar[bool] = False
    """Whether the model is an `nn.Module`. If not, neither its training nor its use imports torch."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes all that `open` needs into a folder, including `model.safetensors`."""

    @abstractmethod
    def open(self, folder: Path) -> None:
        """Reads the files that `save` wrote."""

    def data_sizes(self) -> Mapping[str, int]:
        """See `HasDataSizes`; empty if the model checks its inputs itself."""
        return {}


class FittedInOnePass(Fitted):
    """A model that is fitted in a single step: by counting, or in closed form."""

    @abstractmethod
    def fit(self, train: Any, valid: Any, codec: Any) -> None:
        """Fits the model to the training data. Parameters that cannot be estimated from it, such as mixture weights,
        may be chosen on `valid`.

        The data and the codec are those that the task's recipe makes.
        """


class FittedSettings(Settings):
    """The settings of a task whose model is fitted, without those of gradient training."""


class PassSettings(Settings):
    """When the training of a model that is fitted by passes stops and saves its state."""

    patience: int = Field(
        2, ge=0, description="stop after this many evaluations without gain on the validation data; 0: never"
    )
    checkpoint_seconds: float = Field(300.0, gt=0, description="seconds of training from one checkpoint to the next")


class FittedByPasses(Fitted):
    """A model that is trained in steps, over several passes of its training data. Between two steps, `state` holds all
    that is needed to resume training."""

    @abstractmethod
    def begin(self, train: Any, codec: Any, seed: int) -> None:
        """Initialises the model before the first step. The data and the codec are those that the task's recipe
        makes."""

    @abstractmethod
    def begin_from(self, folder: Path) -> str:
        """After `begin`: takes over the weights of the model that was saved in the folder. Returns what was taken, as
        text."""

    @abstractmethod
    def begin_again(self, folder: Path) -> None:
        """After `begin`, before `restore`: the same, for a resumed training that was initialised from another model.
        `folder`: that of the training."""

    @abstractmethod
    def num_steps(self) -> int:
        """The number of steps in a pass over the training data."""

    @abstractmethod
    def step(self, epoch: int, step: int, share: float) -> tuple[float, int]:
        """Learns from one part of the training data. `share` of the budget is spent by then. Returns the summed loss
        before learning, in nats, and the number of predictions."""

    @abstractmethod
    def measure(self, data: Any) -> tuple[float, int]:
        """The summed loss on held-out data, in nats, and the number of predictions. The model does not change."""

    @abstractmethod
    def state(self) -> dict[str, NDArray[Any]]: ...

    @abstractmethod
    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restores a `state`, after `begin` with the same arguments."""
