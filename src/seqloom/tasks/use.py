"""What can be asked of a trained model, task by task; a task has those of these contracts that make sense for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from seqloom.config import Settings
from seqloom.decoding.continuation import Continuation
from seqloom.decoding.scoring import LineScore
from seqloom.metrics.by_length import LengthScores
from seqloom.models.counted import Counted

TrainedModel = Any
"""A task's network: an nn.Module that also has what the task's own contract asks for."""


class Trained(NamedTuple):
    """What is left of a training: all that its use needs."""

    model: TrainedModel
    codec: Any
    settings: Any


class Prediction(Protocol):
    """An answer: as a line of text, and with all that is known of it."""

    @property
    def text(self) -> str: ...

    def to_json(self) -> dict[str, Any]: ...


class FittedSettings(Settings):
    """Those of a model that is fitted at once: there are none of training beside them."""


@runtime_checkable
class Counts(Protocol):
    """Has models that are fitted at once, without gradients."""

    def counted(self, model: str, settings: Any) -> Counted | None:
        """The model, not yet fitted or opened; None where `model` is a network that is trained."""
        ...


@runtime_checkable
class ScoresExamples(Protocol):
    """Says how probable given examples are."""

    def examples(self, path: str, settings: Any) -> Iterator[Any]:
        """Those of a file, one a line."""
        ...

    def score_examples(self, trained: Trained, examples: Sequence[Any]) -> Sequence[LineScore]:
        """In the order given."""
        ...


@runtime_checkable
class Generates(Protocol):
    """Goes on from a prompt."""

    def generate(self, trained: Trained, prompt: str, asked: Continuation) -> Iterator[str]:
        """Yields the text as it comes."""
        ...


@runtime_checkable
class ScoresByLength(Protocol):
    """Scores what its models put out by the length of what they were given."""

    def scores_by_length(self, trained: Trained, data: Any) -> list[LengthScores]: ...


@runtime_checkable
class Predicts(Protocol):
    """Answers lines of text."""

    def predict(
        self, trained: Trained, lines: Sequence[str], asked: Mapping[str, Any]
    ) -> Iterator[Sequence[Prediction]]:
        """The answers to each line, the best first, in the order given; `asked` overrides how the run was set up."""
        ...
