"""Scores of predicted numbers: root mean squared error, mean absolute error, rank correlation, explained variance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqloom.metrics.similarity import spearman

Values = NDArray[np.float64]


def regression_scores(expected: Values, predicted: Values) -> dict[str, float]:
    """`rmse`, `mae`, `spearman` and `r2`. The correlation and the share of explained variance are absent where they are
    not defined, because all numbers are equal."""
    errors = predicted - expected
    scores = {"rmse": float(np.sqrt((errors**2).mean())), "mae": float(np.abs(errors).mean())}
    if len(expected) > 1 and np.ptp(expected) > 0:
        if np.ptp(predicted) > 0:
            scores["spearman"] = spearman(expected, predicted)
        scores["r2"] = float(1 - (errors**2).sum() / ((expected - expected.mean()) ** 2).sum())
    return scores
