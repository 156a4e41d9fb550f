"""Scores of numbers equal scikit-learn's and SciPy's on random cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from seqloom.metrics.example_scores import ExampleScores
from seqloom.metrics.regression import regression_scores


def test_scores_equal_those_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    for seed in range(300):
        rng = np.random.default_rng(seed)
        expected = rng.normal(5, 3, int(rng.integers(2, 60)))
        if seed % 3 == 0:
            expected = np.round(expected)  # with ties
        expected[0] = 100.0
        predicted = expected * rng.normal() + rng.normal(size=len(expected))
        scores = regression_scores(expected, predicted)
        assert scores["rmse"] == pytest.approx(sklearn.root_mean_squared_error(expected, predicted))
        assert scores["mae"] == pytest.approx(sklearn.mean_absolute_error(expected, predicted))
        assert scores["r2"] == pytest.approx(sklearn.r2_score(expected, predicted))
        assert scores["spearman"] == pytest.approx(spearmanr(expected, predicted).statistic)
        each = ExampleScores("rmse", "example", np.column_stack([(predicted - expected) ** 2, np.ones(len(expected))]))
        assert each.value == pytest.approx(scores["rmse"])
        assert each.pseudo_values().mean() == pytest.approx(scores["rmse"])


def test_equal_numbers_have_no_correlation() -> None:
    assert regression_scores(np.ones(3), np.arange(3.0)).keys() == {"rmse", "mae"}
    assert regression_scores(np.arange(3.0), np.ones(3)).keys() == {"rmse", "mae", "r2"}
