"""Compiled least squares for autoregressions: all orders from one factorisation, along a rolling origin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import compiled
from seqloom.data.series.panel import Matrix, Vector

CRITERIA = ("aicc", "hqc", "bic")
"""Information criteria for the order, see `fit_nested`."""

_JITTER = 1e-9
"""Relative increase of the diagonal of the Gram matrix, so that collinear regressors do not break the factorisation."""


@compiled
def difference(values: Vector, differences: int, seasonal_differences: int, period: int) -> Vector:
    """(1 - B)^d (1 - B^m)^D y, where B shifts by one step."""
    result = values
    for _ in range(seasonal_differences):
        result = result[period:] - result[:-period]
    for _ in range(differences):
        result = result[1:] - result[:-1]
    return result


@compiled
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


@compiled
def fixed_regressors(first: int, last: int, trend: bool, season: bool, period: int, length: int) -> Matrix:
    """(last - first, columns) for the steps `first` to `last`: a constant, the time (0 to 1 over `length` steps) and
    the effects of the season, which sum to zero."""
    columns = 1 + int(trend) + (period - 1 if season else 0)
    result = np.zeros((last - first, columns))
    for row in range(last - first):
        step = first + row
        result[row, 0] = 1.0
        at = 1
        if trend:
            result[row, at] = step / length - 0.5
            at += 1
        if season:
            phase = step % period
            if phase < period - 1:
                result[row, at + phase] = 1.0
            else:
                result[row, at:] = -1.0
    return result


@compiled
def fit_nested(
    gram: Matrix, moment: Vector, total: float, rows: int, fixed: int, criterion: int
) -> tuple[int, Matrix, Vector, float, float]:
    """Least squares on the `fixed` first regressors and on 0, 1, .. of the others, their number (the order) by an
    information criterion, n log(RSS / n) + 2 c k n / (n - k - 1) for k parameters and n rows.

    `criterion`: a place in `CRITERIA`. c = 1: AICc (Hurvich and Tsai 1989); log log n, at least 1: HQc (McQuarrie and
    Tsai 1998); log(n) / 2: BIC with the same correction for few rows.

    From one Cholesky factorisation, since the residual sum of squares falls by the square of each element of the
    forward substitution. Gives the order, the factor of the Gram matrix, the coefficients, the variance of the noise
    and the value of the criterion.
    """
    size = len(gram)
    padded = gram.copy()
    mean = np.trace(gram) / size
    for i in range(size):
        padded[i, i] += _JITTER * gram[i, i] + 1e-12 * mean + 1e-300
    factor: Any = np.linalg.cholesky(padded)
    forward = np.empty(size)
    for i in range(size):
        forward[i] = (moment[i] - np.dot(factor[i, :i], forward[:i])) / factor[i, i]
    floor = 1e-12 * total + 1e-300
    residual = total - np.sum(forward[:fixed] ** 2)
    order, best, variance = 0, np.inf, floor
    weight = 1.0
    if criterion == 1:
        weight = max(np.log(max(np.log(rows), 1.0)), 1.0)
    elif criterion == 2:
        weight = 0.5 * np.log(rows)
    for p in range(size - fixed + 1):
        if p:
            residual -= forward[fixed + p - 1] ** 2
        parameters = fixed + p + 1
        if rows - parameters - 1 <= 0:
            break
        sum_of_squares = max(residual, floor)
        penalty = 2.0 * weight * parameters * rows / (rows - parameters - 1)
        value = rows * np.log(sum_of_squares / rows) + penalty
        if value < best:
            order, best, variance = p, value, sum_of_squares / (rows - fixed - p)
    used = fixed + order
    return order, factor[:used, :used].copy(), back_substitute(factor, forward[:used]), variance, best


@compiled
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


@compiled
def extend(
    history: Vector, levels: Vector, polynomial: Vector, fixed: Matrix, lags: NDArray[np.int64], coefficients: Vector,
    noise: Vector,
) -> Vector:  # fmt: skip
    """The next levels, step by step: the regression's value on the differenced `history` plus `noise`, with the
    differences undone by their `polynomial`."""
    horizon, columns = fixed.shape
    lead, back = len(history), len(levels)
    extended, out = np.empty(lead + horizon), np.empty(back + horizon)
    extended[:lead], out[:back] = history, levels
    for step in range(horizon):
        value = noise[step]
        for i in range(columns):
            value += fixed[step, i] * coefficients[i]
        for j in range(len(coefficients) - columns):
            value += coefficients[columns + j] * extended[lead + step - lags[j]]
        extended[lead + step] = value
        for k in range(1, len(polynomial)):
            value -= polynomial[k] * out[back + step - k]
        out[back + step] = value
    return out[back:]


@compiled
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


@compiled
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
    start = 0
    for lag in lags:
        start = max(start, lag)
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


@compiled
def simulate(
    levels: Vector, series: Vector, polynomial: Vector, fixed: Matrix, lags: NDArray[np.int64], coefficients: Vector,
    factor: Matrix, noise_scale: Vector, directions: Matrix, noise: Matrix,
) -> Matrix:  # fmt: skip
    """(paths, horizon) levels. Each path draws its own coefficients, beta + s L'^-1 u, with the factor L of the
    Gram matrix, the scale s from `noise_scale` and u from `directions`; its noise is s times `noise` (paths,
    horizon)."""
    result = np.empty(noise.shape)
    for path in range(len(noise)):
        path_coefficients = coefficients + noise_scale[path] * back_substitute(factor, directions[path])
        result[path] = extend(
            series, levels, polynomial, fixed, lags, path_coefficients, noise_scale[path] * noise[path]
        )
    return result
