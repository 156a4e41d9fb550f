"""The models `ets` and `theta` of the library statsforecast: classical baselines."""

from __future__ import annotations

from typing import ClassVar

from seqloom.config import Settings
from seqloom.data.series.panel import History
from seqloom.errors import RequestError
from seqloom.models.forecasting.forecast import Forecast
from seqloom.models.forecasting.local import QuantileForecaster
from seqloom.models.forecasting.naive import NaiveSettings
from seqloom_portable.statistical import MissingLibraryError, statistical


class Statistical(QuantileForecaster):
    """A model of statsforecast, selected and fitted at each origin."""

    name: ClassVar[str]
    settings: ClassVar[type[Settings]] = NaiveSettings
    calibration_forecasts = 500

    def forecast(self, history: History, horizon: int) -> Forecast:
        """Raises RequestError if the library is not installed."""
        try:
            return Forecast.normal(*statistical(self.name, history.values, self.period, horizon))
        except MissingLibraryError:
            raise RequestError(
                "this model needs the library statsforecast",
                where=f"--model {self.name}",
                hint="pip install 'seqloom[forecast]'",
            ) from None


class ETS(Statistical):
    """Exponential smoothing with error, trend and season, its form selected by AICc (Hyndman et al. 2002)."""

    name = "ets"
    description = "Exponential smoothing, its form selected by AICc, from the library statsforecast."
    source = "Hyndman et al. 2002"


class Theta(Statistical):
    """The theta method and its dynamic and optimised forms (Assimakopoulos and Nikolopoulos 2000; Fiorucci et al.
    2016)."""

    name = "theta"
    description = "The theta method, its form selected automatically, from the library statsforecast."
    source = "Assimakopoulos and Nikolopoulos 2000"
