"""Least squares for autoregressions: all orders from one factorisation, along a rolling origin.

The functions are in the part of Python and numpy that numba compiles, so that Seqloom can compile them, and most of
their loops are operations on whole arrays, so that they are fast without a compiler too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

CRITERIA = ("aicc", "hqc", "bic")
"""Information criteria for the order, see `fit_nested`."""

_JITTER = 1e-9
"""Relative increase of the diagonal of the Gram matrix, so that collinear regressors do not break the factorisation."""


def difference(values: Vector, differences: int, seasonal_differences: int, period: int) -> Vector:
    """(1 - B)^d (1 - B^m)^D y, where B shifts by one step."""
    result = values
    for _ in range(seasonal_differences):
        result = result[period:] - result[:-period]
    for _ in range(differences):
        result = result[1:] - result[:-1]
    return result


def difference_polynomial(differences: int, seasonal_differences: int, period: int) -> Vector:
    """The coefficients of (1 - B)^d (1 - B^m)^D, that of B^0 first."""
    length = 0
    polynomial = np.zeros(1 + differences + seasonal_differences * period)
    polynomial[0] = 1.0
    for kind in range(2):
        step = period if kind == 0 else 1
        for _ in range(seasonal_differences if kind == 0 else differences):
            for k in range(length, -1, -1):
                polynomial[k + step] -= polynomial[k]
            length += step
    return polynomial


def fixed_regressors(first: int, last: int, trend: bool, season: bool, period: int, length: int) -> Matrix:
    """(last - first, columns) for the steps `first` to `last`: a constant, the time (0 to 1 over `length` steps) and
    the effects of the season, which sum to zero."""
    columns = 1 + int(trend) + (period - 1 if season else 0)
    result = np.zeros((last - first, columns))
    result[:, 0] = 1.0
    if trend:
        result[:, 1] = np.arange(first, last) / length - 0.5
    if season:
        at = 1 + int(trend)
        for phase in range(period - 1):
            result[(phase - first) % period :: period, at + phase] = 1.0
        result[(period - 1 - first) % period :: period, at:] = -1.0
    return result


def fit_nested(
    gram: Matrix, moment: Vector, total: float, rows: int, fixed: int, criterion: int
) -> tuple[int, Matrix, Vector, float, float]:
    """Least squares on the `fixed` first regressors and on 0, 1, .. of the others, their number (the order) by an
    information criterion, n log(RSS / n) + 2 c k n / (n - k - 1) for k parameters and n rows.

    `criterion`: a place in `CRITERIA`. c = 1: AICc (Hurvich and Tsai 1989); log log n, at least 1: HQc (McQuarrie and
    Tsai 1998); log(n) / 2: BIC with the same correction for few rows.

    From one Cholesky factorisation, since the residual sum of squares falls by the square of each element of the
    forward substitution, which is the last row of the factor if the Gram matrix has the moments as its last row.
    Gives the order, the factor of the Gram matrix, the coefficients, the variance of the noise and the value of the
    criterion.
    """
    size = len(gram)
    bordered = np.empty((size + 1, size + 1))
    bordered[:size, :size] = gram
    bordered[size, :size] = moment
    bordered[:size, size] = moment
    bordered[size, size] = 2.0 * total + 1e-300  # positive definite, whatever the rounding
    diagonal = bordered.reshape(-1)[: size * (size + 1) : size + 2]
    diagonal += _JITTER * diagonal + 1e-12 * np.trace(gram) / size + 1e-300
    factor: Any = np.linalg.cholesky(bordered)
    forward = factor[size, :size].copy()
    floor = 1e-12 * total + 1e-300
    weight = 1.0
    if criterion == 1:
        weight = max(np.log(max(np.log(rows), 1.0)), 1.0)
    elif criterion == 2:
        weight = 0.5 * np.log(rows)
    orders = min(size - fixed + 1, rows - fixed - 2)  # those whose correction for few rows is finite
    if orders < 1:
        return 0, factor[:fixed, :fixed].copy(), back_substitute(factor, forward[:fixed]), floor, np.inf
    explained = np.cumsum(forward**2)[fixed - 1 : fixed + orders - 1]
    sums_of_squares = np.maximum(total - explained, floor)
    parameters = np.arange(fixed + 1, fixed + orders + 1)
    penalty = 2.0 * weight * parameters * rows / (rows - parameters - 1)
    values = rows * np.log(sums_of_squares / rows) + penalty
    values = np.where(np.isnan(values), np.inf, values)
    order = int(np.argmin(values))
    variance = sums_of_squares[order] / (rows - fixed - order)
    used = fixed + order
    return order, factor[:used, :used].copy(), back_substitute(factor, forward[:used]), variance, values[order]


def back_substitute(factor: Matrix, forward: Vector) -> Vector:
    """x of L' x = b for the leading part of L that `forward` has."""
    size = len(forward)
    result = np.empty(size)
    for i in range(size - 1, -1, -1):
        remainder = forward[i]
        for j in range(i + 1, size):
            remainder -= factor[j, i] * result[j]
        result[i] = remainder / factor[i, i]
    return result


def extend(
    history: Vector, levels: Vector, polynomial: Vector, fixed: Matrix, lags: NDArray[np.int64], coefficients: Vector,
    noise: Vector,
) -> Vector:  # fmt: skip
    """The next levels, step by step: the regression's value on the differenced `history` plus `noise`, with the
    differences undone by their `polynomial`."""
    horizon, columns = fixed.shape
    used = lags[: len(coefficients) - columns]
    lead, back, longest = len(history), len(levels), longest_lag(used)
    by_lag, steps_back = np.zeros(longest), np.flatnonzero(polynomial)[1:]
    for j in range(len(used)):
        by_lag[longest - lags[j]] = coefficients[columns + j]
    extended, out = np.empty(lead + horizon), np.empty(back + horizon)
    extended[:lead], out[:back] = history, levels
    values = noise + np.dot(fixed, coefficients[:columns])
    for step in range(horizon):
        value = values[step] + np.dot(by_lag, extended[lead + step - longest : lead + step])
        extended[lead + step] = value
        for k in steps_back:
            value -= polynomial[k] * out[back + step - k]
        out[back + step] = value
    return out[back:]


def longest_lag(lags: NDArray[np.int64]) -> int:
    """0 if there are no lags."""
    longest = 0
    for lag in lags:
        longest = max(longest, lag)
    return longest


def regress(
    series: Vector, lags: NDArray[np.int64], fixed: Matrix, first: int, last: int
) -> Matrix:  # fmt: skip
    """(last - first, columns + lags): the regressors of the steps `first` to `last` of the differenced `series`;
    `fixed` has a row for each of its steps."""
    columns = fixed.shape[1]
    matrix = np.empty((last - first, columns + len(lags)))
    matrix[:, :columns] = fixed[first:last]
    for j in range(len(lags)):
        matrix[:, columns + j] = series[first - lags[j] : last - lags[j]]
    return matrix


def roll(
    levels: Vector, series: Vector, polynomial: Vector, fixed: Matrix, lags: NDArray[np.int64],
    origins: NDArray[np.int64], horizon: int, criterion: int,
) -> tuple[Matrix, int, Matrix, Vector, float, float]:  # fmt: skip
    """Forecasts of `levels` from each of the ascending `origins` (the step that is not known any more), each of a model
    fitted to what is known there. Between two of them the Gram matrix takes in the new steps only.

    Gives them, (origins, horizon), and of the last model its order, the factor of its Gram matrix, its coefficients,
    the variance of its noise and the value of the criterion.
    """
    lost, columns = len(levels) - len(series), fixed.shape[1]
    start = longest_lag(lags)
    size = columns + len(lags)
    gram, moment, total = np.zeros((size, size)), np.zeros(size), 0.0
    forecasts = np.empty((len(origins), horizon))
    order, factor, coefficients, variance, value = 0, np.zeros((0, 0)), np.zeros(0), 0.0, np.inf
    done, no_noise = start, np.zeros(horizon)
    for i in range(len(origins)):
        known = origins[i] - lost
        matrix, targets = regress(series, lags, fixed, done, known), series[done:known]
        gram += matrix.T @ matrix
        moment += matrix.T @ targets
        total += np.sum(targets**2)
        done = known
        order, factor, coefficients, variance, value = fit_nested(
            gram, moment, total, known - start, columns, criterion
        )
        forecasts[i] = extend(
            series[:known],
            levels[: origins[i]],
            polynomial,
            fixed[known : known + horizon],
            lags,
            coefficients,
            no_noise,
        )
    return forecasts, order, factor, coefficients, variance, value


def simulate(
    levels: Vector, series: Vector, polynomial: Vector, fixed: Matrix, lags: NDArray[np.int64], coefficients: Vector,
    factor: Matrix, noise_scale: Vector, directions: Matrix, noise: Matrix,
) -> Matrix:  # fmt: skip
    """(paths, horizon) levels. Each path draws its own coefficients, beta + s L'^-1 u, with the factor L of the
    Gram matrix, the scale s from `noise_scale` and u from `directions`; its noise is s times `noise` (paths,
    horizon)."""
    paths, horizon, columns = len(noise), noise.shape[1], fixed.shape[1]
    varied = directions.copy()
    for i in range(len(coefficients) - 1, -1, -1):
        varied[:, i] /= factor[i, i]
        for j in range(i):
            varied[:, j] -= varied[:, i] * factor[i, j]
    varied = coefficients + noise_scale.reshape(paths, 1) * varied
    values = noise_scale.reshape(paths, 1) * noise + np.dot(varied[:, :columns].copy(), fixed.T.copy())
    lead, back, longest, undone = len(series), len(levels), longest_lag(lags), len(polynomial) - 1
    # (step, path): the last known steps, then those ahead.
    extended, out = np.empty((longest + horizon, paths)), np.empty((undone + horizon, paths))
    extended[:longest] = series[lead - longest :].reshape(longest, 1)
    out[:undone] = levels[back - undone :].reshape(undone, 1)
    by_lag, steps_back = varied[:, columns:].T.copy(), np.flatnonzero(polynomial)[1:]
    for step in range(horizon):
        value = values[:, step].copy()
        for j in range(len(lags)):
            value += by_lag[j] * extended[longest + step - lags[j]]
        extended[longest + step] = value
        for k in steps_back:
            value = value - polynomial[k] * out[undone + step - k]
        out[undone + step] = value
    return out[undone:].T.copy()


class Kernels(NamedTuple):
    """The functions of this module that others call: interpreted, or compiled."""

    difference: Callable[..., Vector]
    difference_polynomial: Callable[..., Vector]
    fixed_regressors: Callable[..., Matrix]
    extend: Callable[..., Vector]
    regress: Callable[..., Matrix]
    roll: Callable[..., tuple[Matrix, int, Matrix, Vector, float, float]]
    simulate: Callable[..., Matrix]


INTERPRETED = Kernels(difference, difference_polynomial, fixed_regressors, extend, regress, roll, simulate)
