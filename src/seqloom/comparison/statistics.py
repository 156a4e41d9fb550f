"""Means, intervals and tests over a few seeds, with Student's t, since a few is what there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class Estimate(NamedTuple):
    """A mean and half the width of its 95 % interval; None where there is one value only."""

    mean: float
    half_width: float | None


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of the values with the interval of Student's t."""
    n, mean = len(values), math.fsum(values) / len(values)
    if n < 2:
        return Estimate(mean, None)
    return Estimate(mean, float(stats.t.ppf(0.975, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n))


def welch(a: Sequence[float], b: Sequence[float]) -> float:
    """The two-sided p-value that the means differ by chance alone (Welch 1947). Both need two values or more."""
    if np.ptp(a) == np.ptp(b) == 0:
        return float(a[0] == b[0])
    both = (n for group in (a, b) for n in (math.fsum(group) / len(group), float(np.std(group, ddof=1)), len(group)))
    return float(stats.ttest_ind_from_stats(*both, equal_var=False).pvalue)
