"""Accuracy, the confusion matrix, precision, recall and F1 of classes, and the calibration of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class ClassScores(NamedTuple):
    """The scores of a label: how often it was `expected` and `predicted`; `f1` is 0 if no prediction was right."""

    label: str
    precision: float
    recall: float
    f1: float
    expected: int
    predicted: int


@dataclass(frozen=True)
class Confusion:
    """`counts[i, j]`: how often `labels[i]` was expected and `labels[j]` predicted."""

    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, expected: Sequence[str], predicted: Sequence[str]) -> Confusion:
        labels = tuple(sorted({*expected, *predicted}))
        place = {label: i for i, label in enumerate(labels)}
        counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
        np.add.at(counts, ([place[x] for x in expected], [place[x] for x in predicted]), 1)
        return cls(labels, counts)

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.counts) / max(int(self.counts.sum()), 1))

    @property
    def macro_f1(self) -> float:
        """The mean F1 of all labels that were expected or predicted; 0 without labels, like the accuracy."""
        return float(np.mean([scores.f1 for scores in self.classes()] or [0.0]))

    def classes(self) -> list[ClassScores]:
        right, expected, predicted = np.diag(self.counts), self.counts.sum(1), self.counts.sum(0)
        return [
            class_scores(label, int(hits), int(times_expected), int(times_predicted))
            for label, hits, times_expected, times_predicted in zip(
                self.labels, right, expected, predicted, strict=True
            )
        ]


def class_scores(label: str, right: int, expected: int, predicted: int) -> ClassScores:
    """Precision is right / predicted, recall is right / expected, F1 is their harmonic mean."""
    precision, recall = right / max(predicted, 1), right / max(expected, 1)
    return ClassScores(label, precision, recall, 2 * right / max(expected + predicted, 1), expected, predicted)


class CalibrationBin(NamedTuple):
    """The answers with a probability in one interval: its mean, the share of right answers, and their number."""

    probability: float
    accuracy: float
    answers: int


def calibration(probabilities: Sequence[float], right: Sequence[bool], bins: int = 10) -> list[CalibrationBin]:
    """Answers by their probability, in `bins` intervals of equal width, without empty ones. A probability on an edge
    belongs to the lower interval: bin m is ((m - 1) / M, m / M] (Guo et al. 2017, section 2)."""
    confidence, hits = np.asarray(probabilities, dtype=np.float64), np.asarray(right, dtype=np.float64)
    bin_of = np.searchsorted(np.arange(1, bins) / bins, confidence, side="left")
    return [
        CalibrationBin(float(confidence[rows].mean()), float(hits[rows].mean()), int(rows.sum()))
        for rows in (bin_of == number for number in range(bins))
        if rows.any()
    ]


def expected_calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """The mean difference between probability and accuracy (Guo et al. 2017, equation 3)."""
    total = sum(interval.answers for interval in bins)
    return sum(part.answers * abs(part.probability - part.accuracy) for part in bins) / max(total, 1)


class Mistake(NamedTuple):
    """A wrong answer: the input, the expected and the predicted label, and the probability of the prediction."""

    text: str
    expected: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class Diagnosis:
    """What a model gets right and wrong. `scores` by name; `classes`: labels, or types of spans; `confusion` has no
    labels where examples have several; `mistakes`: the most confident first; `bins` is empty without probabilities."""

    scores: dict[str, float]
    classes: list[ClassScores]
    confusion: Confusion
    mistakes: list[Mistake]
    bins: list[CalibrationBin]
