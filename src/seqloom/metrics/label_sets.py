"""Scores of sets of labels: F1 over all decisions and over labels, average precision of rankings, and thresholds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
"""(examples, labels)"""

FEWEST_EXAMPLES = 10
"""A label with fewer examples has the threshold of all labels."""


class LabelCounts(NamedTuple):
    """How often each label was predicted rightly, expected and predicted: (labels,) each."""

    right: NDArray[np.int64]
    expected: NDArray[np.int64]
    predicted: NDArray[np.int64]

    @classmethod
    def of(cls, expected: Flags, predicted: Flags) -> LabelCounts:
        return cls((expected & predicted).sum(0), expected.sum(0), predicted.sum(0))

    @property
    def micro_f1(self) -> float:
        """2 TP / (2 TP + FP + FN), counted over all labels; 0 where nothing is expected or predicted."""
        total = int(self.expected.sum() + self.predicted.sum())
        return float(2 * self.right.sum() / total) if total else 0.0

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the labels that were expected or predicted; 0 without any."""
        total = self.expected + self.predicted
        return float((2 * self.right[total > 0] / total[total > 0]).mean()) if total.any() else 0.0


def ranking_average_precision(expected: Flags, scores: NDArray[np.floating]) -> float:
    """The mean, over examples and their labels, of the share of labels that are right among those with at least the
    score of the label (label ranking average precision; Tsoumakas et al. 2010). An example with no label, or with all,
    counts as 1."""
    if not expected.size:
        return 0.0
    total = 0.0
    for relevant, row in zip(expected, scores, strict=True):
        count = int(relevant.sum())
        if count in (0, len(relevant)):
            total += 1.0
            continue
        ascending, right = np.sort(row), np.sort(row[relevant])
        above = len(row) - np.searchsorted(ascending, right, side="left")
        right_above = count - np.searchsorted(right, right, side="left")
        total += float((right_above / above).mean())
    return total / len(expected)


def best_thresholds(expected: Flags, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(labels,): the probability above which each label should be predicted, so that its F1 is the largest on these
    examples. A label with few examples has the threshold at which the F1 over all decisions is the largest."""
    thresholds = np.full(expected.shape[1], _best_threshold(expected.ravel(), probabilities.ravel()))
    for label, count in enumerate(expected.sum(0).tolist()):
        if FEWEST_EXAMPLES <= count < len(expected):
            thresholds[label] = _best_threshold(expected[:, label], probabilities[:, label])
    return thresholds


def _best_threshold(expected: NDArray[np.bool_], probabilities: NDArray[np.floating]) -> float:
    """Between two neighbouring probabilities; 0.5 where nothing is expected."""
    total = int(expected.sum())
    if not total:
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    sorted_probabilities = probabilities[order].astype(np.float64)
    right = np.cumsum(expected[order])
    f1 = 2 * right / (np.arange(1, len(order) + 1) + total)
    last_of_equal = np.append(sorted_probabilities[1:] < sorted_probabilities[:-1], True)
    place = int(np.argmax(np.where(last_of_equal, f1, -1.0)))
    below = sorted_probabilities[place + 1] if place + 1 < len(order) else 0.0
    return float((sorted_probabilities[place] + below) / 2)
