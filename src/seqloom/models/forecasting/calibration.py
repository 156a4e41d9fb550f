"""Intervals that cover: quantiles moved from or to the median by what the validation data show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from seqloom.data.series import SeriesData
from seqloom.models.forecasting.forecast import LEVELS, MEDIAN, Forecast, Forecaster

_PRIOR_FORECASTS = 20.0
"""Independent forecasts that the uncalibrated quantiles are worth."""

_MOST = 4.0
"""Times that a quantile is moved from the median, or to it, at most."""

Factors = Float[NDArray[np.float64], " levels"]

NEUTRAL: Factors = np.ones(len(LEVELS))


def factors(
    actual: Float[NDArray[np.float64], "forecasts horizon"],
    quantiles: Float[NDArray[np.float64], "forecasts horizon levels"],
    independent: float,
) -> Factors:
    """By what the distance of each quantile from the median is to be multiplied, so that as many of the actual values
    lie below it as its level says: split conformal prediction with normalised residuals (Lei et al. 2018, section 5.2),
    one side at a time. `independent`: how many forecasts do not overlap; the fewer, the nearer are factors to 1.
    """
    result = NEUTRAL.copy()
    error = actual - quantiles[:, :, MEDIAN]
    trust = independent / (independent + _PRIOR_FORECASTS)
    for number, level in enumerate(LEVELS):
        if number == MEDIAN or not error.size:
            continue
        width = quantiles[:, :, number] - quantiles[:, :, MEDIAN]
        usable = (width > 0) if level > 0.5 else (width < 0)
        if usable.any():
            ratio = np.quantile(error[usable] / width[usable], max(level, 1 - level))
            result[number] = np.exp(trust * np.log(np.clip(ratio, 1 / _MOST, _MOST)))
    return result


_ORIGINS = 4_000
"""Forecasts of the validation data that are looked at, about."""


def factors_on(model: Forecaster, valid: SeriesData, horizon: int) -> Factors:
    """The factors that the model's forecasts of the validation data ask for; 1 of data without a whole horizon."""
    spare = int(np.maximum(valid.last - valid.first - horizon + 1, 0).sum())
    pairs = list(valid.origins(horizon, max(1, spare // _ORIGINS)))
    if not pairs:
        return NEUTRAL
    histories = [valid.panel.history(series, origin) for series, origin in pairs]
    found = [forecast.quantiles for forecast in model.forecasts(histories, horizon)]
    actual = np.stack([valid.panel.of(series)[origin : origin + horizon] for series, origin in pairs])
    independent = float(np.maximum((valid.last - valid.first) // horizon, 0).sum())
    return factors(actual, np.stack(found), independent)


def calibrated(forecast: Forecast, by: Factors) -> Forecast:
    """The forecast with its quantiles moved. Sample paths are moved likewise, each by its own level at each step."""
    if (by == 1).all():
        return forecast
    median = forecast.quantiles[:, MEDIAN, None]
    moved = np.sort(median + (forecast.quantiles - median) * by, axis=1)
    paths = forecast.paths
    if paths is not None:
        steps: Sequence[NDArray[np.float64]] = [
            paths[:, h] + np.interp(paths[:, h], forecast.quantiles[h], moved[h] - forecast.quantiles[h])
            for h in range(len(forecast.point))
        ]
        paths = np.stack(steps, axis=1)
    return Forecast(forecast.point, moved, paths)
