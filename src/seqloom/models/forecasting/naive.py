"""Naive forecasts: the last value, the value one season before, or the line through the first and the last value."""

from __future__ import annotations

from typing import ClassVar

from seqloom.config import Settings
from seqloom.data.series.panel import History, Vector
from seqloom.models.forecasting.forecast import Forecast
from seqloom.models.forecasting.local import QuantileForecaster
from seqloom_portable import closed_form


class NaiveSettings(Settings):
    """Naive models have no settings."""


class Naive(QuantileForecaster):
    """y_{T+h} = y_T, with the errors of a random walk: sigma sqrt(h)."""

    description = "The last value, with the intervals of a random walk."
    source = ""

    settings: ClassVar[type[Settings]] = NaiveSettings

    def forecast(self, history: History, horizon: int) -> Forecast:
        return Forecast.normal(*closed_form.naive(history.values, self.period, horizon))


class SeasonalNaive(Naive):
    """y_{T+h} is the last known value from the same place in the season; sigma sqrt(seasons ahead)."""

    description = "The last value from the same place in the season."

    def forecast(self, history: History, horizon: int) -> Forecast:
        return seasonal_naive(history.values, self.period, horizon)


class Drift(Naive):
    """y_{T+h} = y_T + h (y_T - y_1) / (T - 1): a random walk with drift; sigma sqrt(h (1 + h / (T - 1)))."""

    description = "The line through the first and the last value."

    def forecast(self, history: History, horizon: int) -> Forecast:
        return Forecast.normal(*closed_form.drift(history.values, self.period, horizon))


def seasonal_naive(values: Vector, period: int, horizon: int) -> Forecast:
    """The seasonal naive forecast; of a series shorter than a season, its last value."""
    return Forecast.normal(*closed_form.seasonal_naive(values, period, horizon))
