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
    """(labels,): the probability above which each label should be predicted, so that the micro F1 is the largest on
    these examples. Labels with few examples share the threshold that is the best for all labels.

    Micro F1 is a ratio, so its maximum is that of 2 TP - F1 * predicted, label by label, at the F1 that this gives
    (Dinkelbach 1967).
    """
    fitted = np.flatnonzero(expected.sum(0) >= FEWEST_EXAMPLES)
    thresholds = np.full(expected.shape[1], _common_threshold(expected.ravel(), probabilities.ravel()))
    curves = [_Curve.of(expected[:, label], probabilities[:, label]) for label in fitted]
    best = LabelCounts.of(expected, probabilities > thresholds).micro_f1
    while True:
        proposed = thresholds.copy()
        proposed[fitted] = [curve.best_threshold(best) for curve in curves]
        f1 = LabelCounts.of(expected, probabilities > proposed).micro_f1
        if not f1 > best:
            return thresholds
        thresholds, best = proposed, f1


class _Curve(NamedTuple):
    """What a label gives by the number of examples that it is predicted for, the most probable first.

    `right`: (examples + 1,) the predictions that are right; `thresholds`: (examples + 1,) the probability above which
    so many examples are; `is_cut`: whether a threshold can separate them from the others.
    """

    right: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    is_cut: NDArray[np.bool_]

    @classmethod
    def of(cls, expected: NDArray[np.bool_], probabilities: NDArray[np.floating]) -> _Curve:
        order = np.argsort(-probabilities, kind="stable")
        right = np.concatenate([[0], np.cumsum(expected[order])])
        descending = np.concatenate([[1.0], probabilities[order].astype(np.float64), [0.0]])
        is_cut = descending[1:] < descending[:-1]
        is_cut[[0, -1]] = True
        thresholds = (descending[:-1] + descending[1:]) / 2
        return cls(right, thresholds, is_cut)

    def best_threshold(self, f1: float) -> float:
        gain = 2 * self.right - f1 * np.arange(len(self.right))
        return float(self.thresholds[np.argmax(np.where(self.is_cut, gain, -np.inf))])


def _common_threshold(expected: NDArray[np.bool_], probabilities: NDArray[np.floating]) -> float:
    """The threshold with the largest F1 over all decisions; 0.5 where nothing is expected."""
    total = int(expected.sum())
    if not total:
        return 0.5
    curve = _Curve.of(expected, probabilities)
    f1 = 2 * curve.right / (np.arange(len(curve.right)) + total)
    return float(curve.thresholds[np.argmax(np.where(curve.is_cut, f1, -1.0))])
