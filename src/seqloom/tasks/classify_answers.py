"""What runs of `classify` answer, by the kind of their targets: the contract, and what its implementations share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqloom.data.labelled import LabelledData
from seqloom.decoding.decision import Decided, decide
from seqloom.errors import RequestError
from seqloom.metrics.classification import Diagnosis
from seqloom.metrics.example_scores import ExampleScores
from seqloom.tasks.capabilities import Prediction, Trained
from seqloom.tasks.classify_settings import cut_of
from seqloom.tasks.network_task import Loss
from seqloom.tasks.task import Score

MOST_MISTAKES = 50


class Answers(ABC):
    """Metrics, predictions and reports of one kind of targets."""

    score: ClassVar[Score]

    @abstractmethod
    def metrics(self, total: Loss, data: LabelledData) -> dict[str, float]:
        """The metrics that follow from the loss."""

    @abstractmethod
    def output_metrics(self, trained: Trained, data: LabelledData, brief: bool) -> dict[str, Any]: ...

    @abstractmethod
    def example_scores(self, trained: Trained, data: LabelledData) -> ExampleScores: ...

    @abstractmethod
    def texts(self, trained: Trained, data: LabelledData, numbers: Sequence[int]) -> list[str]:
        """The answers to some examples, as text."""

    @abstractmethod
    def check_options(self, n_best: int | None, proba: bool) -> None:
        """Raises RequestError for an option that these answers do not have."""

    @abstractmethod
    def predictions(
        self, trained: Trained, decided: Decided, source: Sequence[str] | None, n_best: int | None, proba: bool
    ) -> Sequence[Prediction]:
        """The answers to one input, best first. `source`: the names of its elements, if attention is wanted."""

    @abstractmethod
    def diagnose(self, trained: Trained, data: LabelledData) -> Diagnosis: ...

    @abstractmethod
    def calibrate(self, trained: Trained, valid: LabelledData) -> None: ...


def decided_examples(trained: Trained, data: LabelledData, numbers: NDArray[np.int64]) -> Iterator[Decided]:
    cut = cut_of(trained.settings, data.codec.reads_text)
    return decide(trained.model, [cut(row) for row in data.sources.rows(numbers)], trained.device)


def outputs_of(trained: Trained, data: LabelledData) -> NDArray[np.float32]:
    """(examples, outputs): log-probabilities of classes or labels, or (examples, 1) numbers."""
    rows = [decided.outputs for decided in decided_examples(trained, data, np.arange(len(data)))]
    return np.stack(rows) if rows else np.zeros((0, 1), np.float32)


def num_cut(trained: Trained, data: LabelledData) -> int:
    return cut_of(trained.settings, data.codec.reads_text).count(data.lengths)


def nats_per_example(total: Loss, data: LabelledData) -> dict[str, float]:
    """The loss in nats, over the examples that count; absent if there are none."""
    count = int(total.count)
    nats = {"nats_per_example": float(total.sum) / count} if count else {}
    return {**nats, "examples": len(data)}


def check_n_best(n_best: int | None) -> None:
    if n_best is not None and n_best < 1:
        raise RequestError("n_best is out of range", where="n_best", got=n_best, expected="1 or more")


def refuse(options: Mapping[str, Any], what: str) -> None:
    """Raises RequestError for the first option that is given."""
    for name, value in options.items():
        if value:
            raise RequestError(f"{what} has no such option", where=name, got=value, hint="leave it out")
