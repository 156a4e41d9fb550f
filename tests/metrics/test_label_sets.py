"""Scores of sets of labels equal scikit-learn's on random cases, and thresholds are the best ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from seqloom.metrics.label_sets import (
    FEWEST_EXAMPLES,
    LabelCounts,
    best_thresholds,
    ranking_average_precision,
)

CASES = 300


def case(seed: int) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.bool_]]:
    """Labels, scores with ties in some cases, and predictions; of few or many examples and labels."""
    rng = np.random.default_rng(seed)
    examples, labels = int(rng.integers(1, 40)), int(rng.integers(2, 12))
    expected = rng.random((examples, labels)) < rng.random(labels)
    scores = rng.random((examples, labels)) * 0.6 + 0.4 * expected * rng.random()
    if seed % 3 == 0:
        scores = np.round(scores, 1)
    return expected, scores, scores > rng.random()


@pytest.mark.filterwarnings("ignore")
def test_scores_equal_those_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    for seed in range(CASES):
        expected, scores, predicted = case(seed)
        counts = LabelCounts.of(expected, predicted)
        reference = sklearn.f1_score(expected, predicted, average="micro", zero_division=0)
        assert counts.micro_f1 == pytest.approx(reference), seed
        # A label that is neither expected nor predicted has no F1, and is left out of the mean.
        by_label = sklearn.f1_score(expected, predicted, average="macro", zero_division=np.nan)
        assert counts.macro_f1 == pytest.approx(0.0 if np.isnan(by_label) else by_label), seed
        ranking = sklearn.label_ranking_average_precision_score(expected, scores)
        assert ranking_average_precision(expected, scores) == pytest.approx(ranking), seed


def test_no_threshold_is_better() -> None:
    """Not even all those of two labels together, tried one by one."""
    for seed in range(0, CASES, 10):
        rng = np.random.default_rng(seed)
        expected = rng.random((40, 2)) < (0.4, 0.6)
        expected[:FEWEST_EXAMPLES] = True
        probabilities = np.round(np.clip(expected * 0.3 + rng.random((40, 2)) * 0.7, 0.01, 0.99), 1 + seed % 2)
        fitted = LabelCounts.of(expected, probabilities > best_thresholds(expected, probabilities)).micro_f1
        choices = [np.concatenate([[0.0], np.unique(column)]) for column in probabilities.T]
        every = [
            LabelCounts.of(expected, probabilities > np.array([first, second])).micro_f1
            for first in choices[0]
            for second in choices[1]
        ]
        assert fitted == pytest.approx(max(every)), seed


def test_rare_labels_share_a_threshold() -> None:
    expected = np.zeros((50, 3), dtype=bool)
    expected[:20, 0], expected[0, 1], expected[1, 2] = True, True, True
    probabilities = np.where(expected, 0.6, 0.2)
    probabilities[0, 1] = 0.9
    first, second, third = best_thresholds(expected, probabilities)
    assert expected[:, 1].sum() < FEWEST_EXAMPLES
    assert second == third
    assert 0.2 <= first < 0.6
    assert best_thresholds(np.zeros((5, 2), bool), np.ones((5, 2))).tolist() == [0.5, 0.5]


def test_without_examples_or_labels() -> None:
    nothing = np.zeros((0, 3), dtype=bool)
    assert LabelCounts.of(nothing, nothing).micro_f1 == LabelCounts.of(nothing, nothing).macro_f1 == 0.0
    assert ranking_average_precision(nothing, np.zeros((0, 3))) == 0.0
