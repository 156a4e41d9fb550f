"""Models that are fitted to a text by compiled loops, at once or pass by pass: they have no gradients of torch's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydantic import Field

from seqloom.config import Settings
from seqloom.data.token_file import TokenFile

PARTS = "parts"
"""The folder of a mixture's parts, one folder each, named by its number."""


class Fitted(ABC):
    """A model with no parameters of torch's: fitted, or opened, it is ready."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes all that `open` needs."""

    @abstractmethod
    def open(self, folder: Path) -> None:
        """Makes ready what was saved."""

    @abstractmethod
    def num_parameters(self) -> int: ...


class FittedInOnePass(Fitted):
    """A model that is fitted at once: by counting, or in closed form."""

    @abstractmethod
    def fit(self, train: Any, valid: Any, codec: Any) -> None: ...


class PassSettings(Settings):
    """What every model that is fitted pass by pass is watched by."""

    patience: int = Field(
        2, ge=0, description="stop after so many evaluations without gain on the validation data; 0: never"
    )
    checkpoint_seconds: float = Field(300.0, gt=0, description="seconds of training from one checkpoint to the next")


class FittedByPasses(Fitted):
    """A model that passes over its text several times, a step after the other. `step` says how far it has come, and
    what it says of the loss is from before it learns. Between steps all that it goes on from is its `state`."""

    @abstractmethod
    def begin(self, train: TokenFile, tokens: Sequence[str], seed: int) -> None:
        """Makes the model as it is before the first step. `tokens`: the vocabulary in order of ids."""

    @abstractmethod
    def num_steps(self) -> int:
        """Those of a pass over the text."""

    @abstractmethod
    def step(self, epoch: int, step: int, share: float) -> tuple[float, int]:
        """Learns from a part of the text; `share` of the budget is spent. The loss in nats, summed, and over how
        many."""

    @abstractmethod
    def measure(self, text: TokenFile) -> tuple[float, int]:
        """The loss over a text that is not learnt from, in nats, summed, and over how many. It changes nothing."""

    @abstractmethod
    def state(self) -> dict[str, NDArray[Any]]: ...

    @abstractmethod
    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """After `begin` with the same arguments."""
