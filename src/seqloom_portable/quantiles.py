"""Quantiles of forecasts: samples between them, their calibration, and those of counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]

_FRACTION_TERMS, _FRACTION_ACCURACY, _TINY = 10_000, 1e-15, 1e-300


def sample(quantiles: Numbers, levels: Sequence[float], rng: np.random.Generator) -> Numbers:
    """(..): one sample of each distribution with ascending `quantiles` (.., levels); between two levels it is uniform,
    and beyond the outermost ones nothing is sampled."""
    bounds = np.array(levels)
    drawn = rng.uniform(bounds[0], bounds[-1], quantiles.shape[:-1])
    place = np.clip(np.searchsorted(bounds, drawn) - 1, 0, len(bounds) - 2)
    low, high = (np.take_along_axis(quantiles, (place + k)[..., None], -1)[..., 0] for k in (0, 1))
    return low + (high - low) * (drawn - bounds[place]) / (bounds[place + 1] - bounds[place])


def calibrated(quantiles: Numbers, factors: Numbers, median: int) -> Numbers:
    """`quantiles` (.., levels) whose distance from the median, at the place `median`, is multiplied by `factors`
    (levels,)."""
    middle = quantiles[..., median, None]
    return np.sort(middle + (quantiles - middle) * factors, axis=-1)


def of_counts(mean: Numbers, dispersion: Numbers, levels: Sequence[float]) -> Numbers:
    """(.., levels): the quantiles of negative binomial distributions with means m and variances m + a m^2, where a is
    the `dispersion`: the smallest counts whose cumulative probability is a level or more. By bisection."""
    total = 1 / dispersion[..., None]
    success = total / (total + mean[..., None])
    bounds = np.broadcast_to(np.array(levels), (*mean.shape, len(levels)))
    low, high = np.full(bounds.shape, -1.0), np.broadcast_to(np.ceil(mean[..., None]) + 1, bounds.shape).copy()
    while (short := _cumulative(high, total, success) < bounds).any():
        low[short], high[short] = high[short], 2 * high[short]
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        reached = _cumulative(middle, total, success) >= bounds
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high


def _cumulative(counts: Numbers, total: Numbers, success: Numbers) -> Numbers:
    """The probability of at most `counts` failures before `total` successes: the regularised incomplete beta function
    I_p(r, k + 1) (DLMF 8.17.24); of a negative count it is 0."""
    known = np.maximum(counts, 0.0)
    return np.where(counts < 0, 0.0, _incomplete_beta(*np.broadcast_arrays(total, known + 1, success)))


def _incomplete_beta(a: Numbers, b: Numbers, x: Numbers) -> Numbers:
    """I_x(a, b), from the continued fraction where it converges fast, otherwise from 1 - I_{1-x}(b, a)."""
    swapped = x > (a + 1) / (a + b + 2)
    first, second = np.where(swapped, b, a), np.where(swapped, a, b)
    place = np.where(swapped, 1 - x, x)
    log_gamma = np.vectorize(math.lgamma, otypes=[float])
    front = np.exp(
        log_gamma(first + second) - log_gamma(first) - log_gamma(second)
        + first * np.log(place) + second * np.log1p(-place)
    )  # fmt: skip
    below = front / (first * _continued_fraction(first, second, place))
    return np.where(swapped, 1 - below, below)


def _continued_fraction(a: Numbers, b: Numbers, x: Numbers) -> Numbers:
    """1 + d_1 / (1 + d_2 / (1 + ..)) of the incomplete beta function (DLMF 8.17.22 and 8.17.23), by the algorithm of
    Lentz (1976)."""
    value = np.ones(np.shape(x))
    numerator, denominator = value.copy(), np.zeros(np.shape(x))
    for step in range(1, _FRACTION_TERMS):
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        denominator = 1 / _not_zero(1 + term * denominator)
        numerator = _not_zero(1 + term / numerator)
        value *= numerator * denominator
        if (np.abs(numerator * denominator - 1) < _FRACTION_ACCURACY).all():
            break
    return value


def _not_zero(numbers: Numbers) -> Numbers:
    return np.where(np.abs(numbers) < _TINY, _TINY, numbers)
