"""Forecasts in closed form, by numpy alone: naive ones, and linear maps from windows to the steps ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]

SMALLEST = 1e-12
"""Smaller values are replaced by this before their logarithm is taken."""

LARGEST_LOG = 700.0
"""Larger logarithms are replaced by this; the exponential of 710 overflows."""


def seasonal_differences(values: Numbers, period: int) -> Numbers:
    """y_t - y_{t-period}; of a series that is no longer than a season, the differences of consecutive values."""
    lag = period if len(values) > period else 1
    return values[lag:] - values[:-lag]


def seasonal_scale(values: Numbers, period: int) -> float:
    """The scale of a series: its mean absolute seasonal difference; 1 if it is constant."""
    differences = seasonal_differences(values, period)
    return float(np.abs(differences).mean()) or 1.0 if len(differences) else 1.0


class Normal(NamedTuple):
    """Forecasts with normally distributed errors: the `point` and the standard `deviation` of each step ahead."""

    point: Numbers
    deviation: Numbers


def naive(values: Numbers, period: int, horizon: int) -> Normal:  # noqa: ARG001
    """y_{T+h} = y_T, with the errors of a random walk: sigma sqrt(h)."""
    ahead = np.arange(1, horizon + 1)
    return Normal(np.full(horizon, values[-1]), _deviation(np.diff(values)) * np.sqrt(ahead))


def drift(values: Numbers, period: int, horizon: int) -> Normal:  # noqa: ARG001
    """y_{T+h} = y_T + h (y_T - y_1) / (T - 1): a random walk with drift; sigma sqrt(h (1 + h / (T - 1)))."""
    ahead, steps = np.arange(1, horizon + 1), max(len(values) - 1, 1)
    slope = (values[-1] - values[0]) / steps
    deviation = _deviation(np.diff(values) - slope) * np.sqrt(ahead * (1 + ahead / steps))
    return Normal(values[-1] + ahead * slope, deviation)


def seasonal_naive(values: Numbers, period: int, horizon: int) -> Normal:
    """The last known value from the same place in the season, sigma sqrt(seasons ahead); of a series shorter than a
    season, its last value."""
    period = period if len(values) >= period else 1
    ahead = np.arange(horizon)
    deviation = _deviation(values[period:] - values[:-period]) * np.sqrt(ahead // period + 1)
    return Normal(values[len(values) - period + ahead % period], deviation)


NAIVE = {"naive": naive, "seasonal-naive": seasonal_naive, "drift": drift}


def _deviation(errors: Numbers) -> float:
    """The root mean square; 0 if there are no errors."""
    return float(np.sqrt((errors**2).mean())) if len(errors) else 0.0


class LinearMap(NamedTuple):
    """`weights` (regressors, horizon) and the standard `deviation` of the errors (horizon,), on the scale of the
    series; `context` values and `covariate_steps` of past covariates are read, of logarithms where `log`. `share`: the
    weight of the map in the average of all maps."""

    context: int
    covariate_steps: int
    log: bool
    weights: Numbers
    deviation: Numbers
    share: float

    def quantiles(self, values: Numbers, past: Numbers, period: int, horizon: int, deviates: Numbers) -> Numbers:
        """(horizon, levels) after the `values` and `past` (steps, columns). `deviates`: the standard normal deviate of
        each level."""
        window, covariates = last(values, self.context), last(past, self.covariate_steps)
        unit = seasonal_scale(values, period)
        regressors, level, scale = features(window[None], covariates[None], self.log, unit)
        point = (regressors @ self.weights)[0, :horizon] * scale + level[0]
        quantiles = point[:, None] + (self.deviation[:horizon] * scale)[:, None] * deviates
        return np.exp(np.minimum(quantiles, LARGEST_LOG)) if self.log else quantiles


def features(values: Numbers, past: Numbers, log: bool, unit: float) -> tuple[Numbers, Numbers, float]:
    """From (rows, context) values and (rows, covariate steps, columns) covariates of a series with the scale `unit`:
    the regressors (rows, regressors), the level (rows, 1) and the scale: forecast = prediction * scale + level."""
    values = np.log(np.maximum(values, SMALLEST)) if log else values
    level = values[:, -1:]
    scale = 1.0 if log else unit
    parts = [(values - level) / scale, np.ones_like(level)]
    if past.size:
        parts.append((past - past[:, -1:]).reshape(len(past), -1))
    return np.concatenate(parts, axis=1), level, scale


def last(values: Numbers, steps: int) -> Numbers:
    """The last `steps` values; where there are fewer, the first one is repeated before them."""
    padded = padded_before(values, max(steps - len(values), 0))
    return padded[len(padded) - steps :]


def padded_before(values: Numbers, steps: int) -> Numbers:
    """The values after `steps` more that equal the first."""
    return np.concatenate([np.repeat(values[:1], steps, axis=0), values])


def averaged(
    maps: list[LinearMap], values: Numbers, past: Numbers, period: int, horizon: int, deviates: Numbers
) -> Numbers:
    """(horizon, levels): the quantiles of the maps, averaged by their shares."""
    quantiles = [part.quantiles(values, past, period, horizon, deviates) for part in maps]
    return np.average(quantiles, axis=0, weights=[part.share for part in maps])


def read_maps(arrays: Mapping[str, Numbers]) -> list[LinearMap]:
    """The maps of a saved model: `shapes` (maps, 4), `shares`, `deviation` (maps, horizon), and `weights.0`, .."""
    shapes, shares = arrays["shapes"].tolist(), arrays["shares"].tolist()
    return [
        LinearMap(context, steps, bool(log), arrays[f"weights.{number}"], arrays["deviation"][number], share)
        for number, ((context, _, log, steps), share) in enumerate(zip(shapes, shares, strict=True))
    ]
