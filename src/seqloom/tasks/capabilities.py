"""The capabilities of tasks beyond training: predict, score, generate, embed and others; a task implements some."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import unknown_name
from seqloom.models.fitted import Fitted, WithoutGradients

if TYPE_CHECKING:  # these imports are only needed by tasks that implement the capability
    import torch

    from seqloom.data.batches import Batch
    from seqloom.decoding.alignment import Alignment
    from seqloom.decoding.continuation import Continuation
    from seqloom.decoding.line_scores import LineScores, TokenScore
    from seqloom.metrics.by_length import LengthScores
    from seqloom.metrics.classification import Diagnosis
    from seqloom.metrics.example_scores import ExampleScores
    from seqloom.models.adaptation import Adaptation

TrainedModel = Any
"""A task's network, an nn.Module with the methods that the task needs; or the model that it fits."""


class Trained(NamedTuple):
    """A trained model, with all that its use needs."""

    model: TrainedModel
    codec: Any
    settings: Any

    @property
    def device(self) -> torch.device:
        """Where the weights of the network are."""
        device: torch.device = next(self.model.parameters()).device
        return device

    def num_parameters(self) -> int:
        """The parameters of a network; the numbers that a model without gradients stores."""
        if isinstance(self.model, WithoutGradients):
            return self.model.num_parameters()
        return sum(p.numel() for p in self.model.parameters())


class Prediction(Protocol):
    """An answer: its text, the score by which answers are ranked (higher is better), and all its fields as JSON."""

    @property
    def text(self) -> str: ...

    @property
    def score(self) -> float: ...

    def to_json(self) -> dict[str, Any]: ...


class LossMetric(NamedTuple):
    """The name of a metric that is a loss, and what a unit of it is in units of the training loss."""

    name: str
    unit: float = 1.0


@runtime_checkable
class ReportsLoss(Protocol):
    """Has a metric that is the loss of its training on other data, so that the two can be compared."""

    loss_metric: LossMetric


@runtime_checkable
class FitsWithoutGradients(Protocol):
    """Has models that are fitted without gradients."""

    def fitted(self, model: str, settings: Any) -> Fitted | None:
        """The model, not yet fitted or opened; None if `model` is a network that is trained by gradients."""
        ...


@runtime_checkable
class ScoresWithoutBatches(Protocol):
    """Scores its models without gradients itself, without batches and the loss of a network."""

    def measure(self, trained: Trained, data: Any) -> dict[str, float]:
        """All metrics on `data`, including the score."""
        ...


@runtime_checkable
class HasBaselines(Protocol):
    """Has simple models that every comparison includes, to show what the other models add."""

    def baselines(self, data: str) -> Sequence[str]:
        """The names of these models for the kind of data that the path `data` names."""
        ...


@runtime_checkable
class Incomparable(Protocol):
    """Has models whose scores measure different things, so that they do not tell which model is better."""

    def apart(self, models: Sequence[str]) -> str:
        """Why the scores of these models cannot be compared, as a sentence; empty if they can."""
        ...


@runtime_checkable
class Probable(Protocol):
    """A prediction out of several, with its probability."""

    @property
    def probability(self) -> float: ...


@runtime_checkable
class Aligned(Protocol):
    """A prediction with its attention, if attention was requested and the model has it."""

    @property
    def alignment(self) -> Alignment | None: ...


def refuse_unknown(options: Iterable[str], known: Iterable[str], task: str) -> None:
    """Raises RequestError for the first of the `options` that the task's `predict` does not have."""
    known = set(known)
    for name in options:
        if name not in known:
            raise unknown_name("option", name, known, where=f"predict, of a run of {task}")


@runtime_checkable
class ScoresExamples(Protocol):
    """Computes the probability of given examples."""

    def examples(self, path: str, settings: Any) -> Iterator[Any]:
        """The examples of a file, one for each line."""
        ...

    def score_examples(self, trained: Trained, examples: Sequence[Any]) -> LineScores:
        """The score of each example, in the given order."""
        ...


@runtime_checkable
class ScoresTokens(Protocol):
    """Computes the probability of each token of given examples."""

    def score_tokens(self, trained: Trained, examples: Sequence[Any]) -> list[list[TokenScore]]:
        """The tokens of each example with the end, in the given order; their sum is the example's score."""
        ...


@runtime_checkable
class AdaptsToText(ScoresExamples, ScoresTokens, Protocol):
    """Has models that adapt to the text that they read, each token being predicted before the model adapts to it."""

    def adapted(self, trained: Trained, adaptation: Adaptation) -> Trained:
        """The same with a model that adapts; `generate`, `score_examples` and `score_tokens` take it too. Raises
        RequestError if the model cannot."""
        ...

    def measure_in_order(self, adapted: Trained, data: Any) -> dict[str, float]:
        """All metrics on `data`, which is read once from its beginning to its end."""
        ...


@runtime_checkable
class AlignsExamples(Protocol):
    """Tells to which tokens of the source each token of a given target belongs."""

    def align_examples(self, trained: Trained, examples: Sequence[Any]) -> Iterator[Alignment]:
        """The attention of each example, in the given order. Raises RequestError if the model has none."""
        ...


@runtime_checkable
class Generates(Protocol):
    """Continues a prompt."""

    def generate(self, trained: Trained, prompt: str, options: Continuation) -> Iterator[str]:
        """Yields the text piece by piece."""
        ...


@runtime_checkable
class ScoresEachExample(Protocol):
    """Computes each example's contribution to the task's score, from which the score's uncertainty is estimated."""

    def example_scores(self, trained: Trained, data: Any) -> ExampleScores:
        """In the order of `data`, the same for all models. An example is an independent draw: a line, a sentence, a
        pair, a series; never a token."""
        ...


class ShownExample(NamedTuple):
    """An example as a person reads it: the input, the expected answer, and the answer of a model; empty where there is
    none, as of a language model."""

    input: str
    expected: str
    answer: str


@runtime_checkable
class ShowsExamples(ScoresEachExample, Protocol):
    """Shows examples beside the answers of a model."""

    def show_examples(self, trained: Trained, data: Any, numbers: Sequence[int]) -> list[ShownExample]:
        """The examples with these `numbers`, in the order of `example_scores`."""
        ...


@runtime_checkable
class ScoresByLength(Protocol):
    """Scores its models by the length of their inputs."""

    def scores_by_length(self, trained: Trained, data: Any) -> list[LengthScores]: ...


@runtime_checkable
class TakesInputs(Protocol):
    """Reads the inputs of predictions or embeddings: examples without targets. A line of text is an input as it is."""

    def inputs(self, path: str, settings: Any) -> Iterator[Any]:
        """The inputs in a file, in order; none is left out, so that answers can be matched with lines."""
        ...


@runtime_checkable
class Predicts(TakesInputs, Protocol):
    """Predicts answers for inputs."""

    def predict(
        self, trained: Trained, inputs: Sequence[Any], options: Mapping[str, Any]
    ) -> Iterator[Sequence[Prediction]]:
        """The answers for each input, best first, in the given order. The `options` of `Run.answers` override the
        settings of the run.

        Raises RequestError immediately, not at the first answer, for an option that the task does not have.
        """
        ...


@runtime_checkable
class FormsEnsembles(Predicts, Protocol):
    """Has models that answer together."""

    def ensemble(self, members: Sequence[Trained]) -> Trained:
        """The first member with a model that answers as all of them; `predict` and the metrics take it too. Raises
        RequestError if they do not go together."""
        ...


@runtime_checkable
class PredictsOnline(Protocol):
    """Answers every element before the next one is known."""

    def online(self, trained: Trained) -> Callable[[str], str]:
        """A function that takes the next element of a sequence and returns its answer. An empty element begins another
        sequence, and its answer is empty. Raises RequestError if the model needs later elements."""
        ...


@runtime_checkable
class Embeds(TakesInputs, Protocol):
    """Computes a vector of fixed size for each input."""

    def embed(self, trained: Trained, inputs: Sequence[Any], pooling: str) -> Iterator[NDArray[np.float32]]:
        """(size,) each, in the given order. `pooling` is a name of `models.sentence_vectors.poolings`, or `auto`."""
        ...


@runtime_checkable
class Diagnoses(Protocol):
    """Reports which classes are confused, and confident mistakes."""

    def diagnose(self, trained: Trained, data: Any) -> Diagnosis: ...


@runtime_checkable
class Calibrates(Protocol):
    """Fits what is fitted after training, on held-out data: the sharpness of probabilities."""

    def calibrate(self, trained: Trained, valid: Any) -> None:
        """Changes buffers of the model, which are saved with it."""
        ...


class Band(NamedTuple):
    """`values` (rows, time) from 0 to 1, to be plotted over time under a `name`."""

    name: str
    values: NDArray[np.floating[Any]]


class Steps(NamedTuple):
    """The contents of a sequence, to be plotted beside the model's behaviour at each step: the `names` of the steps, or
    none."""

    names: Sequence[str]
    bands: Sequence[Band]


@runtime_checkable
class ShowsSteps(Protocol):
    """Describes its sequences step by step."""

    def steps(self, trained: Trained, batch: Batch, row: int) -> Steps:
        """The steps of one row of a batch, padding included."""
        ...
