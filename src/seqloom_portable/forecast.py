"""What every forecaster needs: the checks of a series and a horizon, and the forecast that users get."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.errors import PortableError
from seqloom_portable.quantiles import calibrated


class Forecast(NamedTuple):
    """`point`: (horizon,), the medians; `quantiles`: (horizon, levels)."""

    point: NDArray[Any]
    quantiles: NDArray[Any]


def checked_series(values: NDArray[Any]) -> NDArray[np.float64]:
    """The values of a series, (steps,). Raises PortableError where they are none."""
    series = np.asarray(values, np.float64)
    if series.ndim != 1 or len(series) < 2 or not np.isfinite(series).all():
        raise PortableError("a series needs at least two numbers in one row, none of them missing")
    return series


def checked_horizon(horizon: int | None, trained: int, recursive: bool) -> int:
    """The steps to forecast, `trained` by default. Raises PortableError for fewer than 1, and for more than `trained`
    unless the model is `recursive`."""
    steps = trained if horizon is None else horizon
    if steps < 1 or (steps > trained and not recursive):
        raise PortableError(f"the model forecasts 1 to {trained} steps, not {steps}")
    return steps


def forecast_of(forecast: Forecast, series: NDArray[np.float64]) -> Forecast:
    """The forecast after `series`: one without negative values gets no negative forecast."""
    return Forecast(np.maximum(forecast.point, 0), np.maximum(forecast.quantiles, 0)) if series.min() >= 0 else forecast


def calibrated_forecast(forecast: Forecast, factors: NDArray[Any], median: int) -> Forecast:
    """The forecast with calibrated quantiles. `median`: the place of the median among them."""
    return Forecast(forecast.point, calibrated(forecast.quantiles, factors, median))
