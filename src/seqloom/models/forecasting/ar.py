"""The model `ar`: autoregressions in closed form, a weighted average of several for each series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqloom.config import Settings
from seqloom.data.series.panel import History, SeriesData
from seqloom.models.forecasting.ar_settings import COMPILED, AutoregressionSettings
from seqloom.models.forecasting.forecast import LEVELS, Forecast
from seqloom.models.forecasting.local import LocalForecaster
from seqloom.models.forecasting.naive import seasonal_naive
from seqloom_portable.autoregression import Candidate, Fit
from seqloom_portable.combination import PATHS, Coefficients, Combination, path_seeds


class Autoregressive(LocalForecaster):
    """y_t = c + trend + season + sum over k of phi_k y_{t-k} + e_t, of the values, their logarithms or square roots,
    differenced or not; coefficients by least squares, order by an information criterion, averaged by past forecast
    errors."""

    description = "Autoregressions in closed form, averaged for each series."
    source = "Box and Jenkins 1970"

    settings: ClassVar[type[Settings]] = AutoregressionSettings
    calibration_forecasts = 500

    def __init__(self, settings: AutoregressionSettings, calibrate: bool) -> None:
        super().__init__(settings, calibrate)
        self.fitted: dict[str, Combination] = {}

    def learn(self, data: SeriesData, horizon: int) -> None:
        for series, name in enumerate(data.panel.names):
            combination = self.combine(data.panel.of(series)[: data.last[series]], horizon)
            if combination is not None:
                self.fitted[name] = combination.without_past()

    def combine(self, values: NDArray[np.float64], horizon: int) -> Combination | None:
        return Combination.of(values, self.period, horizon, self.options.specification(), COMPILED)

    def num_parameters(self) -> int:
        return sum(len(fit.coefficients) + 1 for combination in self.fitted.values() for fit in combination.fits)

    def forecasts(
        self, histories: Sequence[History], horizon: int, *, seed: int = 1, paths: int = 0, refit: bool = True
    ) -> Iterator[Forecast]:
        for history in histories:
            combination = None if refit else self.fitted.get(history.name)
            if combination is None or max(fit.window for fit in combination.fits) >= len(history.values):
                combination = self.combine(history.values, horizon)
            yield self._forecast(history, horizon, combination, seed, paths)

    def _forecast(self, history: History, horizon: int, fitted: Combination | None, seed: int, paths: int) -> Forecast:
        """A series that is too short for any autoregression gets the seasonal naive forecast."""
        seeds = path_seeds(seed, history.name, len(history.values))
        if fitted is None:
            return seasonal_naive(history.values, self.period, horizon).with_normal_paths(paths, seeds)
        samples = fitted.sampled(history.values, horizon, LEVELS, seeds, max(PATHS, paths))
        return Forecast(samples.point, samples.quantiles, samples.paths[:paths] if paths else None)

    def coefficients(self, history: History, horizon: int) -> Coefficients | None:
        """What a reader is told of the autoregressions of a series."""
        combination = self.combine(history.values, horizon)
        return None if combination is None else combination.report()

    def arrays(self) -> dict[str, NDArray[Any]]:
        return _packed(self.fitted)

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.fitted = _unpacked(arrays, self.period)


def _packed(fitted: dict[str, Combination]) -> dict[str, NDArray[Any]]:
    """All fits as arrays, one after the other."""
    fits = [fit for combination in fitted.values() for fit in combination.fits]
    text = "\0".join(fitted).encode()

    def flat(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
        return np.concatenate([*parts, np.zeros(0, dtype)]).astype(dtype)

    return {
        "names": np.frombuffer(text, np.uint8).copy(),
        "fits": np.array([len(combination.fits) for combination in fitted.values()], np.int64),
        "weights": flat([combination.weights for combination in fitted.values()], np.float64),
        "candidates": np.array([fit.candidate for fit in fits], np.float64).reshape(len(fits), len(Candidate._fields)),
        "sizes": np.array([(fit.steps, fit.columns, len(fit.lags)) for fit in fits], np.int64).reshape(len(fits), 3),
        "numbers": np.array([(fit.center, fit.variance, fit.criterion) for fit in fits], np.float64).reshape(
            len(fits), 3
        ),
        "lags": flat([fit.lags for fit in fits], np.int64),
        "coefficients": flat([fit.coefficients for fit in fits], np.float64),
    }


def _unpacked(arrays: Mapping[str, NDArray[Any]], period: int) -> dict[str, Combination]:
    names = arrays["names"].tobytes().decode().split("\0")
    fits, at_lag, at_coefficient = [], 0, 0
    for row, sizes, numbers in zip(
        arrays["candidates"].tolist(), arrays["sizes"].tolist(), arrays["numbers"].tolist(), strict=True
    ):
        candidate = Candidate(row[0], int(row[1]), int(row[2]), bool(row[3]), bool(row[4]), bool(row[5]))
        (steps, columns, order), (center, variance, criterion) = sizes, numbers
        lags = np.array(arrays["lags"][at_lag : at_lag + order], np.int64)
        coefficients = np.array(arrays["coefficients"][at_coefficient : at_coefficient + columns + order], np.float64)
        if len(lags) != order or len(coefficients) != columns + order or min(steps, columns, *lags - 1) < 0:
            raise ValueError(f"sizes {sizes}, lags {lags.tolist()}")
        at_lag, at_coefficient = at_lag + order, at_coefficient + columns + order
        fits.append(
            Fit(
                candidate,
                period,
                steps,
                center,
                columns,
                lags,
                coefficients,
                None,
                variance,
                criterion,
                np.zeros((0, 0)),
                COMPILED,
            )
        )
    combined, first = {}, 0
    for name, count in zip(names, arrays["fits"].tolist(), strict=True):
        weights = np.array(arrays["weights"][first : first + count], np.float64)
        combined[name] = Combination(fits[first : first + count], weights)
        first += count
    return combined
