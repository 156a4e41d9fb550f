"""The models `ets` and `theta` of the library statsforecast: classical baselines."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from scipy.special import ndtri

from seqloom.config import Settings
from seqloom.data.series.panel import History
from seqloom.errors import RequestError
from seqloom.models.forecasting.forecast import Forecast
from seqloom.models.forecasting.local import QuantileForecaster
from seqloom.models.forecasting.naive import NaiveSettings, seasonal_naive

_INTERVAL = 80


class Statistical(QuantileForecaster):
    """A model of statsforecast, selected and fitted at each origin. Its quantiles are those of the normal distribution
    with the same 80 % interval."""

    settings: ClassVar[type[Settings]] = NaiveSettings
    calibration_forecasts = 500

    def forecast(self, history: History, horizon: int) -> Forecast:
        """A series that the library refuses (too short, or constant) gets the seasonal naive forecast."""
        values = history.values
        period = self.period if len(values) >= 2 * self.period else 1
        if len(values) < 4 or np.ptp(values) == 0:
            return seasonal_naive(values, period, horizon)
        try:
            answer = self.model(period).forecast(values, horizon, level=[_INTERVAL])
        except (ValueError, ZeroDivisionError, FloatingPointError, np.linalg.LinAlgError):
            return seasonal_naive(values, period, horizon)
        point = np.asarray(answer["mean"], np.float64)
        upper = np.asarray(answer[f"hi-{_INTERVAL}"], np.float64)
        deviation = np.maximum(upper - point, 0.0) / ndtri(0.5 + _INTERVAL / 200)
        if not (np.isfinite(point).all() and np.isfinite(deviation).all()):
            return seasonal_naive(values, period, horizon)
        return Forecast.normal(point, deviation)

    @abstractmethod
    def model(self, period: int) -> Any:
        """The model of statsforecast."""


class ETS(Statistical):
    """Exponential smoothing with error, trend and season, its form selected by AICc (Hyndman et al. 2002)."""

    description = "Exponential smoothing, its form selected by AICc, from the library statsforecast."
    source = "Hyndman et al. 2002"

    def model(self, period: int) -> Any:
        return _library("ets").AutoETS(season_length=period)


class Theta(Statistical):
    """The theta method and its dynamic and optimised forms (Assimakopoulos and Nikolopoulos 2000; Fiorucci et al.
    2016)."""

    description = "The theta method, its form selected automatically, from the library statsforecast."
    source = "Assimakopoulos and Nikolopoulos 2000"

    def model(self, period: int) -> Any:
        return _library("theta").AutoTheta(season_length=period)


def _library(model: str) -> Any:
    try:
        import statsforecast.models
    except ImportError:
        raise RequestError(
            "this model needs the library statsforecast",
            where=f"--model {model}",
            hint="pip install 'seqloom[forecast]'",
        ) from None
    return statsforecast.models
