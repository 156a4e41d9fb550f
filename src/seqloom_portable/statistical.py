"""The models `ets` and `theta` of the library statsforecast."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np

from seqloom_portable.closed_form import Normal, Numbers, seasonal_naive
from seqloom_portable.errors import PortableError

STATISTICAL = {"ets": "AutoETS", "theta": "AutoTheta"}
"""The names of the models in the library."""

_INTERVAL = 80


def statistical(model: str, values: Numbers, period: int, horizon: int) -> Normal:
    """The model selected and fitted to the `values`; the deviations are those of the normal distribution with the same
    80 % interval. A series that the library refuses (too short, or constant) gets the seasonal naive forecast."""
    period = period if len(values) >= 2 * period else 1
    if len(values) < 4 or np.ptp(values) == 0:
        return seasonal_naive(values, period, horizon)
    try:
        fitted = _library(model)(season_length=period)
        answer = fitted.forecast(np.asarray(values, np.float64), horizon, level=[_INTERVAL])
    except (ValueError, ZeroDivisionError, FloatingPointError, np.linalg.LinAlgError):
        return seasonal_naive(values, period, horizon)
    point = np.asarray(answer["mean"], np.float64)
    upper = np.asarray(answer[f"hi-{_INTERVAL}"], np.float64)
    deviation = np.maximum(upper - point, 0.0) / statistics.NormalDist().inv_cdf(0.5 + _INTERVAL / 200)
    if not (np.isfinite(point).all() and np.isfinite(deviation).all()):
        return seasonal_naive(values, period, horizon)
    return Normal(point, deviation)


class MissingLibraryError(PortableError):
    """The library statsforecast is not installed."""


def _library(model: str) -> Any:
    try:
        import statsforecast.models
    except ImportError:
        raise MissingLibraryError(
            f"the model {model} needs the library statsforecast: pip install 'seqloom-portable[forecast]'"
        ) from None
    return getattr(statsforecast.models, STATISTICAL[model])
