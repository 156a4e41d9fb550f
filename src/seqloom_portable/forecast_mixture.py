"""Mixtures of a network and models of single series: weighted means of their forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.folder import Folder
from seqloom_portable.forecast import Forecast, calibrated_forecast, checked_horizon, checked_series, forecast_of
from seqloom_portable.forecaster import Forecaster
from seqloom_portable.local_forecasts import LocalForecasts


class ForecastMixture:
    """`levels` of the quantiles; `horizon`, the number of steps that are forecast; `recursive`, whether it knows longer
    ones. Parts without weight are not computed."""

    reads_numbers = True

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        self.folder, facts = folder, folder.manifest["mixture"]
        self.network = Forecaster(folder, threads)
        self.levels, self.horizon = self.network.levels, self.network.horizon
        self._weights, self._factors = np.array(facts["weights"]), np.array(facts["factors"])
        self._median, deviates = self.levels.index(0.5), np.array(facts["deviates"])
        self._local = [
            LocalForecasts(part["model"], part["settings"], facts["period"], self.levels, deviates)
            for part in facts["classics"]
        ]
        self.recursive = self.network.recursive or not self._weights[0]

    def forecast(
        self,
        values: NDArray[Any],
        past: NDArray[Any] | None = None,
        ahead: NDArray[Any] | None = None,
        static: NDArray[Any] | None = None,
        *,
        horizon: int | None = None,
        name: str = "",
        seed: int = 1,
    ) -> Forecast:
        """Forecasts the steps after `values` (steps,). The covariates are those of the network (see `Forecaster`);
        sample paths are drawn from `seed`, those of autoregressions from the `name` of the series too."""
        steps_ahead = checked_horizon(horizon, self.horizon, self.recursive)
        series = checked_series(values)
        forecasts = []
        if self._weights[0]:
            quantiles = self.network.quantiles(series, past, ahead, static, steps_ahead, seed)
            forecasts.append(Forecast(quantiles[:, self._median], quantiles))
        for part, weight in zip(self._local, self._weights[1:], strict=True):
            if weight:
                forecasts.append(part.forecast(series, steps_ahead, name, seed))
        weights = self._weights[self._weights > 0]
        mean = Forecast(*(np.tensordot(weights, np.stack(parts), 1) for parts in zip(*forecasts, strict=True)))
        return forecast_of(calibrated_forecast(mean, self._factors, self._median), series)
