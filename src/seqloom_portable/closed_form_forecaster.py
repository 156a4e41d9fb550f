"""Forecasters in closed form: the naive ones, and ridge regression."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.arrays import map_arrays
from seqloom_portable.closed_form import NAIVE, averaged, read_maps
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from seqloom_portable.forecaster import Forecast, checked_horizon, checked_series, forecast_of
from seqloom_portable.quantiles import calibrated


class ClosedFormForecaster:
    """`levels` of the quantiles; `horizon`, the number of steps that are forecast; `recursive`, whether it knows longer
    ones; `past_columns`, the number of past covariates."""

    reads_numbers = True

    def __init__(self, folder: Folder, threads: int = 1) -> None:  # noqa: ARG002
        self.folder, facts = folder, folder.manifest
        self.levels: list[float] = facts["levels"]
        self.horizon: int = facts["horizon"]
        self.recursive = facts["model"] in NAIVE
        self._name: str = facts["model"]
        self._deviates, self._factors = np.array(facts["deviates"]), np.array(facts["factors"])
        self._median, self._period = self.levels.index(0.5), facts["period"]
        self.past_columns: int = facts["past"]
        self._maps = [] if self.recursive else read_maps(map_arrays(folder.path / "maps.safetensors"))

    def forecast(
        self, values: NDArray[Any], past: NDArray[Any] | None = None, *, horizon: int | None = None
    ) -> Forecast:
        """Forecasts the steps after `values` (steps,). A model with covariates needs `past` (steps, columns), as
        numbers scaled as in training. Naive models know any `horizon`, others none longer than their own."""
        steps_ahead = checked_horizon(horizon, self.horizon, self.recursive)
        series = checked_series(values)
        quantiles = calibrated(self._quantiles(series, past, steps_ahead), self._factors, self._median)
        return forecast_of(quantiles, self._median, series)

    def _quantiles(self, values: NDArray[Any], past: NDArray[Any] | None, horizon: int) -> NDArray[Any]:
        if self.recursive:
            point, deviation = NAIVE[self._name](values, self._period, horizon)
            return point[:, None] + deviation[:, None] * self._deviates
        covariates = np.zeros((len(values), 0)) if past is None else np.asarray(past, np.float64)
        if covariates.shape != (len(values), self.past_columns):
            raise PortableError(f"the model needs past covariates: {len(values)} rows of {self.past_columns} columns")
        return averaged(self._maps, values, covariates, self._period, horizon, self._deviates)
