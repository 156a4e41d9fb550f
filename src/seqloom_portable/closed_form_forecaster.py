"""Forecasters without a network: those computed from one series alone, and ridge regression."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.arrays import map_arrays
from seqloom_portable.closed_form import averaged, read_maps
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from seqloom_portable.forecast import Forecast, calibrated_forecast, checked_horizon, checked_series, forecast_of
from seqloom_portable.local_forecasts import LocalForecasts


class ClosedFormForecaster:
    """`levels` of the quantiles; `horizon`, the number of steps that are forecast; `recursive`, whether it knows longer
    ones; `past_columns`, the number of past covariates."""

    reads_numbers = True

    def __init__(self, folder: Folder, threads: int = 1) -> None:  # noqa: ARG002
        self.folder, facts = folder, folder.manifest
        self.levels: list[float] = facts["levels"]
        self.horizon: int = facts["horizon"]
        self.recursive = facts["model"] != "ridge"
        self._deviates, self._factors = np.array(facts["deviates"]), np.array(facts["factors"])
        self._median, self._period = self.levels.index(0.5), facts["period"]
        self.past_columns: int = facts["past"]
        if self.recursive:
            settings = facts.get("settings", {})
            self._local = LocalForecasts(facts["model"], settings, self._period, self.levels, self._deviates)
        else:
            self._maps = read_maps(map_arrays(folder.path / "maps.safetensors"))

    def forecast(
        self,
        values: NDArray[Any],
        past: NDArray[Any] | None = None,
        *,
        horizon: int | None = None,
        name: str = "",
        seed: int = 1,
    ) -> Forecast:
        """Forecasts the steps after `values` (steps,). A model with covariates needs `past` (steps, columns), as
        numbers scaled as in training. Models of one series know any `horizon`, `ridge` none longer than its own. The
        sample paths of `ar` are drawn from `seed` and the `name` of the series."""
        steps_ahead = checked_horizon(horizon, self.horizon, self.recursive)
        series = checked_series(values)
        if self.recursive:
            forecast = self._local.forecast(series, steps_ahead, name, seed)
        else:
            quantiles = self._of_maps(series, past, steps_ahead)
            forecast = Forecast(quantiles[:, self._median], quantiles)
        return forecast_of(calibrated_forecast(forecast, self._factors, self._median), series)

    def _of_maps(self, values: NDArray[Any], past: NDArray[Any] | None, horizon: int) -> NDArray[Any]:
        covariates = np.zeros((len(values), 0)) if past is None else np.asarray(past, np.float64)
        if covariates.shape != (len(values), self.past_columns):
            raise PortableError(f"the model needs past covariates: {len(values)} rows of {self.past_columns} columns")
        return averaged(self._maps, values, covariates, self._period, horizon, self._deviates)
