"""Means, intervals and tests over a few seeds, with Student's t, since a few is what there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Estimate(NamedTuple):
    """A mean and half the width of its 95 % interval; None where there is one value only."""

    mean: float
    half_width: float | None


def estimate(values: Sequence[float]) -> Estimate:
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return Estimate(mean, None)
    return Estimate(mean, t_quantile(0.975, n - 1) * math.sqrt(_variance(values) / n))


def welch(a: Sequence[float], b: Sequence[float]) -> float:
    """The two-sided p-value that the means differ by chance alone (Welch 1947). Both need two values or more."""
    variance_a, variance_b = _variance(a) / len(a), _variance(b) / len(b)
    spread = variance_a + variance_b
    difference = abs(math.fsum(a) / len(a) - math.fsum(b) / len(b))
    if spread == 0:
        return 0.0 if difference else 1.0
    freedom = spread**2 / (variance_a**2 / (len(a) - 1) + variance_b**2 / (len(b) - 1))
    return 2 * (1 - t_cdf(difference / math.sqrt(spread), freedom))


def t_quantile(probability: float, freedom: float) -> float:
    """The value that Student's t stays below with `probability` (at least a half), by bisection."""
    low, high = 0.0, 1e3
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def t_cdf(t: float, freedom: float) -> float:
    """P(T <= t) for t >= 0: 1 - I_x(freedom / 2, 1 / 2) / 2 with x = freedom / (freedom + t^2)."""
    return 1 - 0.5 * _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    # Evaluated from the far end: 1 + d_1 x / (1 + d_2 x / (1 + ..)).
    fraction = 1.0
    for m in range(200, 0, -1):
        odd = -(a + m - 1) * (a + b + m - 1) / ((a + 2 * m - 2) * (a + 2 * m - 1))
        even = m * (b - m) / ((a + 2 * m - 1) * (a + 2 * m))
        fraction = 1 + odd * x / (1 + even * x / fraction)
    return math.exp(log_front) / (a * fraction)
