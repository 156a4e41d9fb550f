"""The model `mix`: a network over all series and classical models of each, with weights from past errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator
from torch import Tensor

from seqloom.config import Settings
from seqloom.data.batches import Batch
from seqloom.data.series.panel import History, SeriesData
from seqloom.models.forecasting.ar import Autoregressive
from seqloom.models.forecasting.ar_settings import AutoregressionSettings
from seqloom.models.forecasting.calibration import validation_origins
from seqloom.models.forecasting.forecast import Forecast, mapped_paths
from seqloom.models.forecasting.local import LocalForecaster
from seqloom.models.forecasting.naive import Drift, NaiveSettings, SeasonalNaive
from seqloom.models.forecasting.network import CalibratedNetwork, ForecastNetwork
from seqloom.models.forecasting.statistical import ETS, Theta
from seqloom_portable.closed_form import seasonal_scale

CLASSICS: Mapping[str, tuple[type[LocalForecaster], type[Settings]]] = {
    "ar": (Autoregressive, AutoregressionSettings),
    "seasonal-naive": (SeasonalNaive, NaiveSettings),
    "drift": (Drift, NaiveSettings),
    "ets": (ETS, NaiveSettings),
    "theta": (Theta, NaiveSettings),
}
"""Models that are computed from the history at each origin, with their settings."""

Classic = Literal["ar", "seasonal-naive", "drift", "ets", "theta"]

_MIN_ERROR = 1e-3
"""The smallest error relative to the largest, so that no weight is infinite."""


class MixtureSettings(Settings):
    classics: tuple[Classic, ...] = Field(
        ("ar",), min_length=1, description="the models beside the network: ar, seasonal-naive, drift, ets, theta"
    )

    @field_validator("classics", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value


class ForecastMixture(CalibratedNetwork):
    """The quantiles are weighted means over the parts. The weight of a part is the inverse square of its mean scaled
    absolute error on the validation data (Bates and Granger 1969, section 3, without correlations).

    Until `fit_weights` the network has all of the weight, so that training is validated without the other parts.
    """

    description = "A GRU over all series and autoregressions of each, weighted by their past errors."
    source = "Bates and Granger 1969"
    calibration_forecasts = 500

    def __init__(self, network: ForecastNetwork, settings: MixtureSettings) -> None:
        super().__init__()
        self.network = network
        self.classics: list[LocalForecaster] = []
        for name in settings.classics:
            forecaster, forecaster_settings = CLASSICS[name]
            self.classics.append(forecaster(forecaster_settings(), calibrate=False))
            self.classics[-1].period = network.dimensions.season
        weights = torch.zeros(1 + len(self.classics), dtype=torch.float64)
        weights[0] = 1.0
        self.weights: Tensor
        self.register_buffer("weights", weights)

    def loss(self, batch: Batch) -> Tensor:
        """The network's loss; the other parts have no parameters that are trained."""
        return self.network.loss(batch)

    def forecasts(
        self, histories: Sequence[History], horizon: int, *, seed: int = 1, paths: int = 0, refit: bool = True
    ) -> Iterator[Forecast]:
        """The classical parts are computed from each history, whether `refit` or not."""
        weights = self.weights.cpu().numpy()
        parts = [part for part, weight in zip(self._parts(), weights, strict=True) if weight > 0]
        answers = [part.forecasts(histories, horizon, seed=seed, paths=paths, refit=refit) for part in parts]
        weights = weights[weights > 0]
        for forecasts in zip(*answers, strict=True):
            yield _averaged(forecasts, weights) if len(parts) > 1 else forecasts[0]

    def _parts(self) -> list[ForecastNetwork | LocalForecaster]:
        return [self.network, *self.classics]

    def fit_weights(self, valid: SeriesData, horizon: int) -> None:
        """Sets the weights by the errors on the validation data; equal ones if it has no whole horizon."""
        pairs = validation_origins(valid, horizon, self.calibration_forecasts)
        histories = [valid.panel.history(series, origin) for series, origin in pairs]
        actual = np.array([valid.panel.of(series)[origin : origin + horizon] for series, origin in pairs])
        units = np.array([seasonal_scale(history.values, valid.panel.period) for history in histories])
        errors = np.ones(len(self.weights))
        for number, part in enumerate(self._parts() if pairs else []):
            points = np.stack([forecast.point for forecast in part.forecasts(histories, horizon)])
            errors[number] = (np.abs(actual - points).mean(1) / units).mean()
        weights = np.maximum(errors / max(errors.max(), 1e-300), _MIN_ERROR) ** -2.0
        self.weights.copy_(torch.from_numpy(weights / weights.sum()))


def _averaged(forecasts: Sequence[Forecast], weights: NDArray[np.float64]) -> Forecast:
    """The weighted means of points and quantiles. Each part gives a share of the sample paths; they are moved to the
    averaged quantiles, and so keep the dependence between steps that the part has."""
    point = weights @ np.stack([forecast.point for forecast in forecasts])
    quantiles = np.tensordot(weights, np.stack([forecast.quantiles for forecast in forecasts]), 1)
    paths = None
    if forecasts[0].paths is not None:
        count = len(forecasts[0].paths)
        bounds = np.round(np.cumsum([0.0, *weights]) * count).astype(int)
        shares = []
        for forecast, first, last in zip(forecasts, bounds[:-1], bounds[1:], strict=True):
            assert forecast.paths is not None
            shares.append(mapped_paths(forecast.paths[first:last], forecast.quantiles, quantiles))
        paths = np.concatenate(shares)
    return Forecast(point, quantiles, paths)
