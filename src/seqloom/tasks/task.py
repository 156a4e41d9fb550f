"""What a task is to the command line, the comparison and a run. Knows no task by name, and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from seqloom.config import Settings
from seqloom.data.corpus import Recipe, SyntheticSource
from seqloom.registry import Description


class Score(NamedTuple):
    """The metric by which runs are compared, and the best weights of one are chosen."""

    name: str
    lower_is_better: bool

    def better(self, value: float, than: float) -> bool:
        return value < than if self.lower_is_better else value > than


class Task(Protocol):
    """What every task has. Beside it, a task whose models are networks is a `NetworkTask`, one with models that are
    fitted is `FitsWithoutGradients`; what can be asked of its runs are the contracts in `capabilities.py`."""

    name: str
    description: str
    """What the task is, in one sentence of at most 90 characters."""
    default_model: str
    """The model that is trained where none is named: one of `models`."""

    def models(self) -> Sequence[str]: ...

    def describe(self, model: str) -> Description:
        """What a model is, in one sentence of at most 90 characters, and the paper that it comes from."""
        ...

    def settings(self, model: str) -> type[Settings]:
        """The class of all the task's settings for this model, but for those of training."""
        ...

    def preset(self, model: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """The dotted settings that do well with this model, given what the user `asked` for."""
        ...

    def recipe(self, settings: Any) -> Recipe[Any, Any] | SyntheticSource:
        """How the user's files, or what else DATA names, become data."""
        ...

    def score(self, data: Any) -> Score:
        """One of the metrics."""
        ...


@runtime_checkable
class PresetByData(Protocol):
    """A task whose models start from other settings for other kinds of data."""

    def preset_for(self, model: str, asked: Mapping[str, Any], data: str) -> Mapping[str, Any]:
        """What `preset` gives, for the kind of data that the name of the file `data` says it holds."""
        ...
