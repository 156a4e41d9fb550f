"""Series of numbers in time, forecast with intervals: from naive forecasts and autoregressions to recurrent networks.

Nothing here imports torch: the models in closed form do without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model

from seqloom.config import Settings
from seqloom.data.series import Panel, SeriesData
from seqloom.data.series_recipe import SeriesRecipe, SeriesSettings
from seqloom.errors import unknown_name
from seqloom.metrics.forecasting import Anomaly, ForecastRow, ForecastScores
from seqloom.models.forecasting.ar import Autoregressive
from seqloom.models.forecasting.local import LocalForecaster
from seqloom.models.forecasting.naive import Drift, Naive, SeasonalNaive
from seqloom.models.forecasting.statistical import ETS, Theta
from seqloom.registry import Description
from seqloom.tasks import tasks
from seqloom.tasks.backtest import anomalies, backtest, forecast_rows, online
from seqloom.tasks.capabilities import FittedSettings, Trained
from seqloom.tasks.task import Score

if TYPE_CHECKING:  # what trains networks imports torch
    pass

CLOSED_FORM: dict[str, type[LocalForecaster]] = {
    "naive": Naive,
    "seasonal-naive": SeasonalNaive,
    "drift": Drift,
    "ar": Autoregressive,
    "ets": ETS,
    "theta": Theta,
}


class ForecastSettings(Settings):
    data: SeriesSettings = SeriesSettings()
    calibrate: bool = Field(
        True, description="move quantiles by what the validation data show, so that intervals cover"
    )


class FittedForecastSettings(FittedSettings, ForecastSettings):
    """Those of a model in closed form."""


class ForecastTask:
    """Say what follows series of numbers, with intervals: MASE, sMAPE, RMSSE, CRPS, coverage."""

    name = "forecast"
    description = "Forecast series of numbers, with intervals that cover."
    default_model = "ar"

    def models(self) -> Sequence[str]:
        return sorted(CLOSED_FORM)

    def describe(self, model: str) -> Description:
        self._check(model)
        return Description.of(CLOSED_FORM[model])

    def settings(self, model: str) -> type[Settings]:
        self._check(model)
        model_settings = CLOSED_FORM[model].settings
        return create_model(
            "ForecastSettings", __base__=FittedForecastSettings, model=(model_settings, model_settings())
        )

    def preset(self, model: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        return {}

    def recipe(self, settings: ForecastSettings) -> SeriesRecipe:
        return SeriesRecipe(settings.data)

    def fitted(self, model: str, settings: Any) -> LocalForecaster | None:
        return CLOSED_FORM[model](settings.model, settings.calibrate) if model in CLOSED_FORM else None

    def score(self, data: SeriesData) -> Score:  # noqa: ARG002
        return Score("mase", lower_is_better=True)

    def measure(self, trained: Trained, data: SeriesData) -> dict[str, float]:
        return backtest(trained, data).metrics()

    def online(self, trained: Trained) -> Callable[[str], str]:
        return online(trained)

    def panel(self, trained: Trained, path: str) -> Panel:
        return SeriesRecipe(trained.settings.data).panel(path, trained.codec)

    def forecast(self, trained: Trained, panel: Panel, horizon: int, paths: int, seed: int) -> Iterator[ForecastRow]:
        return forecast_rows(trained, panel, horizon, paths, seed)

    def backtest(
        self,
        trained: Trained,
        data: SeriesData,
        *,
        horizon: int = 0,
        origins: int = 0,
        step: int = 0,
        refit: bool = True,
    ) -> ForecastScores:
        return backtest(trained, data, horizon=horizon, origins=origins, step=step, refit=refit)

    def anomalies(self, trained: Trained, panel: Panel) -> Iterator[Anomaly]:
        return anomalies(trained, panel)

    def _check(self, model: str) -> None:
        if model not in self.models():
            raise unknown_name("model", model, self.models())


tasks.register("forecast")(ForecastTask())
