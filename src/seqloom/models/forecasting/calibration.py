"""Conformal calibration: quantiles are scaled around the median so that intervals cover the validation data."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from seqloom.data.series.panel import SeriesData
from seqloom.models.forecasting.forecast import LEVELS, MEDIAN, Forecast, Forecaster, mapped_paths
from seqloom_portable.quantiles import calibrated as calibrated_quantiles

_PRIOR_FORECASTS = 20.0
"""Weight of the uncalibrated quantiles, as a number of independent forecasts."""

_MAX_FACTOR = 4.0
"""The largest factor; the smallest is its inverse."""

Factors = Float[NDArray[np.float64], " levels"]

NEUTRAL: Factors = np.ones(len(LEVELS))


def factors(
    actual: Float[NDArray[np.float64], "forecasts horizon"],
    quantiles: Float[NDArray[np.float64], "forecasts horizon levels"],
    independent: float,
) -> Factors:
    """Factors for the distance of each quantile from the median, such that the share of the actual values below the
    quantile is its level: split conformal prediction with normalised residuals (Lei et al. 2018, section 5.2), one side
    at a time. `independent`: the number of forecasts that do not overlap; the fewer, the closer the factors are to 1.
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
            result[number] = np.exp(trust * np.log(np.clip(ratio, 1 / _MAX_FACTOR, _MAX_FACTOR)))
    return result


def validation_origins(valid: SeriesData, horizon: int, count: int) -> list[tuple[int, int]]:
    """(series, origin) of about `count` evenly spaced forecasts on the validation data, at least one of each series; an
    empty list if no series has a whole horizon there."""
    return list(valid.origins(horizon, max(1, valid.num_origins(horizon) // count)))


def factors_on(model: Forecaster, valid: SeriesData, horizon: int) -> Factors:
    """Factors from the model's forecasts on the validation data; 1 if no series has a whole horizon there."""
    pairs = validation_origins(valid, horizon, model.calibration_forecasts)
    if not pairs:
        return NEUTRAL
    histories = [valid.panel.history(series, origin) for series, origin in pairs]
    quantiles = [forecast.quantiles for forecast in model.forecasts(histories, horizon)]
    actual = np.stack([valid.panel.of(series)[origin : origin + horizon] for series, origin in pairs])
    independent = float(np.maximum((valid.last - valid.first) // horizon, 0).sum())
    return factors(actual, np.stack(quantiles), independent)


def calibrated(forecast: Forecast, scale: Factors) -> Forecast:
    """The forecast with scaled quantiles. Sample paths are mapped the same way, each by its quantile level at each
    step."""
    if (scale == 1).all():
        return forecast
    scaled = calibrated_quantiles(forecast.quantiles, scale, MEDIAN)
    paths = None if forecast.paths is None else mapped_paths(forecast.paths, forecast.quantiles, scaled)
    return Forecast(forecast.point, scaled, paths)
