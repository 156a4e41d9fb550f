"""The task `forecast`: series of numbers in time, from naive forecasts and autoregressions to recurrent networks.

This module does not import torch, which the models in closed form do not need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import create_model

from seqloom.config import Settings
from seqloom.data.corpus import Corpus
from seqloom.data.series.panel import Panel, SeriesData
from seqloom.data.series.recipe import SeriesRecipe
from seqloom.errors import unknown_name
from seqloom.metrics.example_scores import ExampleScores
from seqloom.models.forecasting.ar import Autoregressive
from seqloom.models.forecasting.local import LocalForecaster
from seqloom.models.forecasting.naive import Drift, Naive, SeasonalNaive
from seqloom.models.forecasting.ridge import Ridge
from seqloom.models.forecasting.statistical import ETS, Theta
from seqloom.registry import Description
from seqloom.tasks import tasks
from seqloom.tasks.backtest import anomalies, backtest, forecast_rows, online, study
from seqloom.tasks.capabilities import LossMetric, Trained, TrainedModel
from seqloom.tasks.forecast_settings import FittedForecastSettings, ForecastSettings
from seqloom.tasks.task import Score

if TYPE_CHECKING:  # these modules import torch
    from torch import Tensor, nn

    from seqloom.data.batches import Batch, Loader
    from seqloom.nn.layer import State
    from seqloom.tasks.network_task import Loss

CLOSED_FORM: dict[str, type[LocalForecaster]] = {
    "naive": Naive,
    "seasonal-naive": SeasonalNaive,
    "drift": Drift,
    "ar": Autoregressive,
    "ridge": Ridge,
    "ets": ETS,
    "theta": Theta,
}


class ForecastTask:
    """Forecasts series of numbers with intervals; metrics are MASE, sMAPE, RMSSE, CRPS, coverage."""

    name = "forecast"
    description = "Forecast series of numbers, with intervals that cover."
    default_model = "ar"
    loss_metric = LossMetric("loss")

    def models(self) -> Sequence[str]:
        return sorted([*CLOSED_FORM, *_networks().models()])

    def baselines(self, data: str) -> Sequence[str]:  # noqa: ARG002
        return ["naive", "seasonal-naive"]

    def describe(self, model: str) -> Description:
        return Description.of(CLOSED_FORM[model]) if model in CLOSED_FORM else _networks().describe(model)

    def settings(self, model: str) -> type[Settings]:
        if model in CLOSED_FORM:
            model_settings = CLOSED_FORM[model].settings
            return create_model(
                "ForecastSettings", __base__=FittedForecastSettings, model=(model_settings, model_settings())
            )
        if model not in _networks().models():
            raise unknown_name("model", model, self.models())
        return _networks().settings_of(model)

    def preset(self, model: str, overrides: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        return {} if model in CLOSED_FORM else _networks().preset_of(model)

    def recipe(self, settings: ForecastSettings) -> SeriesRecipe:
        return SeriesRecipe(settings.data)

    def fitted(self, model: str, settings: Any) -> LocalForecaster | None:
        return CLOSED_FORM[model](settings.model, settings.calibrate) if model in CLOSED_FORM else None

    def score(self, data: SeriesData) -> Score:  # noqa: ARG002
        return Score("mase", lower_is_better=True)

    def build(self, corpus: Corpus[Any, Any], model: str, settings: Any) -> nn.Module:
        return _networks().build(corpus, model, settings)

    def rebuild(self, tensors: Mapping[str, Tensor], model: str, settings: Any) -> nn.Module:
        return _networks().rebuild(tensors, model, settings)

    def train_loader(self, corpus: Corpus[Any, Any], settings: Any, seed: int) -> Loader:
        return _networks().train_loader(corpus, settings, seed)

    def exact_loader(self, data: SeriesData, settings: Any) -> Loader:
        return _networks().exact_loader(data, settings)

    def loss(self, model: TrainedModel, batch: Batch, state: State | None) -> tuple[Loss, State | None]:
        return _networks().loss(model, batch), state

    def metrics(self, total: Loss, data: SeriesData) -> dict[str, float]:  # noqa: ARG002
        return {"loss": float(total.sum) / max(int(total.count), 1)}

    def output_metrics(self, trained: Trained, data: SeriesData, brief: bool) -> dict[str, float]:  # noqa: ARG002
        return backtest(trained, data).metrics()

    def calibrate(self, trained: Trained, valid: SeriesData) -> None:
        """Calibrates a network, and weighs the parts of a mixture; models in closed form are calibrated when fitted."""
        _networks().finish(trained, valid)

    def measure(self, trained: Trained, data: SeriesData) -> dict[str, float]:
        return backtest(trained, data).metrics()

    def example_scores(self, trained: Trained, data: SeriesData) -> ExampleScores:
        return backtest(trained, data).example_scores()

    online = staticmethod(online)

    def panel(self, trained: Trained, path: str) -> Panel:
        return SeriesRecipe(trained.settings.data).panel(path, trained.codec)

    forecast = staticmethod(forecast_rows)
    backtest = staticmethod(backtest)
    study = staticmethod(study)
    anomalies = staticmethod(anomalies)


def _networks() -> Any:
    """The module of the networks, which imports torch."""
    from seqloom.tasks import forecast_networks

    return forecast_networks


tasks.register("forecast")(ForecastTask())
