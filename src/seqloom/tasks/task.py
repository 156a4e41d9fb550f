"""The contract of tasks for the command line, comparisons and runs; independent of any task and network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from seqloom.config import Settings
from seqloom.data.corpus import CustomRecipe, Recipe
from seqloom.registry import Description


class Score(NamedTuple):
    """The metric by which runs are compared and the best weights of a run are chosen. `loss`: the metric, of which less
    is better, that chooses the weights instead, where the score of a small validation set is too coarse for it."""

    name: str
    lower_is_better: bool
    loss: str = ""

    def criterion(self, scores: Mapping[str, float]) -> Score:
        """What chooses the weights with these validation scores; a model that is fitted in one pass may have no
        loss."""
        return Score(self.loss, lower_is_better=True) if self.loss in scores else self

    def better(self, value: float, than: float) -> bool:
        return value < than if self.lower_is_better else value > than


class Task(Protocol):
    """What every task has. A task whose models are networks is also a `NetworkTask`, one with fitted models
    `FitsWithoutGradients`; what its runs can do are the contracts in `capabilities.py`."""

    name: str
    description: str
    """The task in one sentence of at most 90 characters."""
    default_model: str
    """The model that is trained by default: one of `models`."""

    def models(self) -> Sequence[str]: ...

    def describe(self, model: str) -> Description:
        """A model in one sentence of at most 90 characters, and the paper that introduced it."""
        ...

    def settings(self, model: str) -> type[Settings]:
        """The settings class of the task for this model, without those of training."""
        ...

    def preset(self, model: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:
        """The dotted settings that do well with this model, given the user's `overrides`."""
        ...

    def recipe(self, settings: Any) -> Recipe[Any, Any] | CustomRecipe:
        """How the user's files, or another source named by DATA, become data."""
        ...

    def score(self, data: Any) -> Score:
        """The metric that is the score on this data."""
        ...


@runtime_checkable
class PresetByData(Protocol):
    """A task whose presets depend on the kind of data."""

    def preset_for(self, model: str, overrides: Mapping[str, Any], data: str) -> Mapping[str, Any]:
        """As `preset`, for the kind of data that the name of the file `data` indicates."""
        ...
