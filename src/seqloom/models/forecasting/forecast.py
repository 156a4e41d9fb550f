"""The result of a forecast: a point, quantiles and sample paths; and the interface of forecasting models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from seqloom.data.series.panel import History

LEVELS = (0.025, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.975)
"""The probabilities of the quantiles: deciles, and the ends of central intervals of 50 %, 80 % and 95 %."""

MEDIAN = LEVELS.index(0.5)

DEVIATES = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
"""The quantiles of the standard normal distribution at `LEVELS`."""


class Forecast(NamedTuple):
    """`point` (horizon,): the point forecast, near the median, since absolute errors are scored. `quantiles` (horizon,
    levels): ascending, at `LEVELS`. `paths` (paths, horizon): sample paths, None unless requested."""

    point: Float[NDArray[np.float64], " horizon"]
    quantiles: Float[NDArray[np.float64], "horizon levels"]
    paths: Float[NDArray[np.float64], "paths horizon"] | None = None

    @classmethod
    def normal(cls, point: NDArray[np.float64], deviation: NDArray[np.float64]) -> Forecast:
        """With normally distributed errors; one standard deviation for each step ahead."""
        return cls(point, point[:, None] + deviation[:, None] * DEVIATES)

    @classmethod
    def of_paths(cls, point: NDArray[np.float64], paths: NDArray[np.float64]) -> Forecast:
        return cls(point, np.quantile(paths, LEVELS, axis=0).T, paths)

    def with_normal_paths(self, count: int, seed: int | Sequence[int]) -> Forecast:
        """With `count` sample paths of `normal_paths`; unchanged if `count` is 0."""
        return self._replace(paths=normal_paths(self, count, seed)) if count else self


@runtime_checkable
class Forecaster(Protocol):
    """A model that forecasts a series from its history."""

    factors: Float[NDArray[np.float64], " levels"]
    """See `calibration.factors`."""

    calibration_forecasts: int
    """Forecasts on the validation data from which the factors are computed: fewer for models that are slow."""

    def forecasts(
        self, histories: Sequence[History], horizon: int, *, seed: int = 1, paths: int = 0, refit: bool = True
    ) -> Iterator[Forecast]:
        """One forecast for each history, in order, not yet calibrated. `paths`: the number of sample paths. `refit`: a
        model that is fitted to each series separately is fitted to the history; otherwise it keeps its coefficients."""
        ...


def mapped_paths(
    paths: Float[NDArray[np.float64], "paths horizon"],
    quantiles: Float[NDArray[np.float64], "horizon levels"],
    target: Float[NDArray[np.float64], "horizon levels"],
) -> Float[NDArray[np.float64], "paths horizon"]:
    """Sample paths of a forecast with `quantiles` as paths of one with the quantiles `target`: at each step a value
    keeps its quantile level, so that the dependence between steps stays. Beyond the last quantiles values are shifted.
    """
    shifts = target - quantiles
    steps = [paths[:, h] + np.interp(paths[:, h], quantiles[h], shifts[h]) for h in range(len(quantiles))]
    return np.stack(steps, axis=1)


def normal_paths(forecast: Forecast, count: int, seed: int | Sequence[int]) -> NDArray[np.float64]:
    """(count, horizon): samples with the forecast's quantiles at each step, for models without sample paths of their
    own. The dependence between steps is that of a Gaussian random walk."""
    rng = np.random.default_rng(seed)
    horizon = len(forecast.point)
    walk = rng.standard_normal((count, horizon)).cumsum(1) / np.sqrt(np.arange(1, horizon + 1))
    steps = (np.interp(walk[:, h], DEVIATES, forecast.quantiles[h]) for h in range(horizon))
    return np.stack(list(steps), axis=1)
