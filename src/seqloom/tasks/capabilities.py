"""What can be asked of a trained model, task by task; a task has those of these contracts that make sense for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from seqloom.config import Settings
from seqloom.errors import unknown_name
from seqloom.models.fitted import Fitted

if TYPE_CHECKING:  # what these import is for tasks that use it
    from seqloom.data.batches import Batch
    from seqloom.data.series import Panel
    from seqloom.decoding.alignment import Alignment
    from seqloom.decoding.continuation import Continuation
    from seqloom.decoding.line_scores import LineScores, TokenScore
    from seqloom.metrics.by_length import LengthScores
    from seqloom.metrics.classification import Diagnosis
    from seqloom.metrics.example_scores import ExampleScores
    from seqloom.metrics.forecasting import Anomaly, ForecastRow, ForecastScores, ForecastStudy

TrainedModel = Any
"""A task's network, an nn.Module that also has what the task's own contract asks for; or what it fits."""


class Trained(NamedTuple):
    """What is left of a training: all that its use needs."""

    model: TrainedModel
    codec: Any
    settings: Any


class Prediction(Protocol):
    """An answer: as a line of text, what it was ranked by (higher is better), and with all that is known of it."""

    @property
    def text(self) -> str: ...

    @property
    def score(self) -> float: ...

    def to_json(self) -> dict[str, Any]: ...


class FittedSettings(Settings):
    """Those of a model that is fitted: there are none of training beside them."""


@runtime_checkable
class FitsWithoutGradients(Protocol):
    """Has models that are fitted, without gradients of torch's."""

    def fitted(self, model: str, settings: Any) -> Fitted | None:
        """The model, not yet fitted or opened; None where `model` is a network that is trained."""
        ...


@runtime_checkable
class ScoresWithoutBatches(Protocol):
    """Scores its models without gradients itself, without batches and losses of a network."""

    def measure(self, trained: Trained, data: Any) -> dict[str, float]:
        """All metrics on `data`, `score` among them."""
        ...


@runtime_checkable
class Incomparable(Protocol):
    """Has models whose scores are of different questions, so that they say nothing of which model is better."""

    def apart(self, models: Sequence[str]) -> str:
        """Why that is so of these models, as a sentence; empty where it is not."""
        ...


@runtime_checkable
class Probable(Protocol):
    """A prediction that is one of several, and how probable it is among them."""

    @property
    def probability(self) -> float: ...


@runtime_checkable
class Aligned(Protocol):
    """A prediction that knows what was attended to for it, where that was asked for and the model has attention."""

    @property
    def alignment(self) -> Alignment | None: ...


def refuse_unknown(options: Iterable[str], known: Iterable[str], task: str) -> None:
    """Raises RequestError for the first of the `options` that `predict` of the task has no use for."""
    known = set(known)
    for name in options:
        if name not in known:
            raise unknown_name("option", name, known, where=f"predict, of a run of {task}")


@runtime_checkable
class ScoresExamples(Protocol):
    """Says how probable given examples are."""

    def examples(self, path: str, settings: Any) -> Iterator[Any]:
        """Those of a file, one a line."""
        ...

    def score_examples(self, trained: Trained, examples: Sequence[Any]) -> LineScores:
        """In the order given."""
        ...


@runtime_checkable
class ScoresTokens(Protocol):
    """Says how probable each token of given examples is."""

    def score_tokens(self, trained: Trained, examples: Sequence[Any]) -> list[list[TokenScore]]:
        """The tokens of each example, the end included, in the order given; their sum is the example's score."""
        ...


@runtime_checkable
class Generates(Protocol):
    """Goes on from a prompt."""

    def generate(self, trained: Trained, prompt: str, options: Continuation) -> Iterator[str]:
        """Yields the text as it comes."""
        ...


@runtime_checkable
class ScoresEachExample(Protocol):
    """Says what each example contributes to the task's score, so that the uncertainty of the score can be told."""

    def example_scores(self, trained: Trained, data: Any) -> ExampleScores:
        """In the order of `data`, the same for all models. An example is what is drawn independently: a line, a
        sentence, a pair, a series; never a token."""
        ...


@runtime_checkable
class ScoresByLength(Protocol):
    """Scores what its models put out by the length of what they were given."""

    def scores_by_length(self, trained: Trained, data: Any) -> list[LengthScores]: ...


@runtime_checkable
class TakesInputs(Protocol):
    """Reads what is to be answered or embedded: examples without their targets. A line of text is one as it is."""

    def inputs(self, path: str, settings: Any) -> Iterator[Any]:
        """Those of a file, in order; none is left out, so that answers can be laid beside the lines."""
        ...


@runtime_checkable
class Predicts(TakesInputs, Protocol):
    """Answers inputs."""

    def predict(
        self, trained: Trained, inputs: Sequence[Any], options: Mapping[str, Any]
    ) -> Iterator[Sequence[Prediction]]:
        """The answers to each, the best first, in the order given. `options` of `Run.answers` that were given override
        how the run was set up.

        Raises RequestError at once, not at the first answer, for an option that the task does not know.
        """
        ...


@runtime_checkable
class PredictsOnline(Protocol):
    """Answers every element as it comes, before the next one is known."""

    def online(self, trained: Trained) -> Callable[[str], str]:
        """What takes the next element of a sequence and gives its answer. Raises RequestError where the model needs the
        future."""
        ...


@runtime_checkable
class Forecasts(Protocol):
    """Says what follows series of numbers in time."""

    def panel(self, trained: Trained, path: str) -> Panel:
        """The series of a file, read as those of the training were."""
        ...

    def forecast(self, trained: Trained, panel: Panel, horizon: int, paths: int, seed: int) -> Iterator[ForecastRow]:
        """What follows each series. `horizon` 0: as in training. `paths`: sample paths beside the quantiles."""
        ...

    def backtest(
        self, trained: Trained, data: Any, *, horizon: int = 0, origins: int = 0, step: int = 0, refit: bool = True
    ) -> ForecastScores:
        """Scores from rolling origins; 0: as the run was set up."""
        ...

    def study(
        self, trained: Trained, data: Any, *, horizon: int = 0, origins: int = 0, step: int = 0, refit: bool = True
    ) -> ForecastStudy:
        """What a page shows: the scores of `backtest` and some of the series."""
        ...

    def anomalies(self, trained: Trained, panel: Panel) -> Iterator[Anomaly]:
        """How likely each value was, given those before it."""
        ...


@runtime_checkable
class Embeds(TakesInputs, Protocol):
    """Gives a vector of one length for each input."""

    def embed(self, trained: Trained, inputs: Sequence[Any], pooling: str) -> Iterator[NDArray[np.float32]]:
        """(size,) each, in the order given. `pooling` is a name of `models.sentence_vectors.poolings`, or `auto`."""
        ...


@runtime_checkable
class Diagnoses(Protocol):
    """Says what is confused with what, and where the model was sure and wrong."""

    def diagnose(self, trained: Trained, data: Any) -> Diagnosis: ...


@runtime_checkable
class Calibrates(Protocol):
    """Fits what is fitted after training, on held-out data: how sharp probabilities are."""

    def calibrate(self, trained: Trained, valid: Any) -> None:
        """Changes buffers of the model; they are saved with it."""
        ...


class Band(NamedTuple):
    """`values` (rows, time) from 0 to 1, to be shown along time under a `name`."""

    name: str
    values: NDArray[np.floating[Any]]


class Steps(NamedTuple):
    """What went on in a sequence, to be shown beside what a model did at each step: the `names` of the steps where
    they have any, else none."""

    names: Sequence[str]
    bands: Sequence[Band]


@runtime_checkable
class ShowsSteps(Protocol):
    """Says what its sequences are, step by step."""

    def steps(self, trained: Trained, batch: Batch, row: int) -> Steps:
        """Of one row of a batch, padding included."""
        ...
