"""Forecasts computed from one series alone: naive ones, autoregressions, and models of the library statsforecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from seqloom_portable.closed_form import NAIVE, Normal, seasonal_naive
from seqloom_portable.combination import Combination, Options, path_seeds
from seqloom_portable.errors import PortableError
from seqloom_portable.forecast import Forecast
from seqloom_portable.statistical import STATISTICAL, statistical


class LocalForecasts:
    """One of the `NAIVE` models, `ar`, `ets` or `theta`; `levels` of the quantiles, and the standard normal `deviates`
    at these. It is fitted anew at each forecast, as Seqloom does, and knows any horizon."""

    def __init__(
        self, model: str, settings: Mapping[str, Any], period: int, levels: Sequence[float], deviates: NDArray[Any]
    ) -> None:
        if model not in (*NAIVE, *STATISTICAL, "ar"):
            raise PortableError(f"this version has no forecasts of the model {model!r}")
        self.model, self.period, self.levels, self.deviates = model, period, levels, deviates
        self._options = Options(**settings) if model == "ar" else None

    def forecast(self, values: NDArray[Any], horizon: int, name: str = "", seed: int = 1) -> Forecast:
        """Raises PortableError for `ets` and `theta` if statsforecast is not installed."""
        if self.model in NAIVE:
            return self._normal(NAIVE[self.model](values, self.period, horizon))
        if self.model in STATISTICAL:
            return self._normal(statistical(self.model, values, self.period, horizon))
        assert self._options is not None
        fitted = Combination.of(values, self.period, horizon, self._options)
        if fitted is None:
            return self._normal(seasonal_naive(values, self.period, horizon))
        sampled = fitted.sampled(values, horizon, self.levels, path_seeds(seed, name, len(values)))
        return Forecast(sampled.point, sampled.quantiles)

    def _normal(self, forecast: Normal) -> Forecast:
        point, deviation = forecast
        return Forecast(point, point[:, None] + deviation[:, None] * self.deviates)
