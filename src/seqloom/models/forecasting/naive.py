"""Naive forecasts: the last value, the value one season before, or the line through the first and the last value."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from seqloom.config import Settings
from seqloom.data.series.panel import History, Vector
from seqloom.models.forecasting.forecast import Forecast
from seqloom.models.forecasting.local import QuantileForecaster


class NaiveSettings(Settings):
    """Naive models have no settings."""


class Naive(QuantileForecaster):
    """y_{T+h} = y_T, with the errors of a random walk: sigma sqrt(h)."""

    description = "The last value, with the intervals of a random walk."
    source = ""

    settings: ClassVar[type[Settings]] = NaiveSettings

    def forecast(self, history: History, horizon: int) -> Forecast:
        values, ahead = history.values, np.arange(1, horizon + 1)
        return Forecast.normal(np.full(horizon, values[-1]), _deviation(np.diff(values)) * np.sqrt(ahead))


class SeasonalNaive(Naive):
    """y_{T+h} is the last known value from the same place in the season; sigma sqrt(seasons ahead)."""

    description = "The last value from the same place in the season."

    def forecast(self, history: History, horizon: int) -> Forecast:
        return seasonal_naive(history.values, self.period, horizon)


class Drift(Naive):
    """y_{T+h} = y_T + h (y_T - y_1) / (T - 1): a random walk with drift; sigma sqrt(h (1 + h / (T - 1)))."""

    description = "The line through the first and the last value."

    def forecast(self, history: History, horizon: int) -> Forecast:
        values, ahead = history.values, np.arange(1, horizon + 1)
        steps = max(len(values) - 1, 1)
        slope = (values[-1] - values[0]) / steps
        deviation = _deviation(np.diff(values) - slope) * np.sqrt(ahead * (1 + ahead / steps))
        return Forecast.normal(values[-1] + ahead * slope, deviation)


def seasonal_naive(values: Vector, period: int, horizon: int) -> Forecast:
    """The seasonal naive forecast; of a series shorter than a season, its last value."""
    period = period if len(values) >= period else 1
    ahead = np.arange(horizon)
    deviation = _deviation(values[period:] - values[:-period]) * np.sqrt(ahead // period + 1)
    return Forecast.normal(values[len(values) - period + ahead % period], deviation)


def _deviation(errors: Vector) -> float:
    """The root mean square; 0 if there are no errors."""
    return float(np.sqrt((errors**2).mean())) if len(errors) else 0.0
