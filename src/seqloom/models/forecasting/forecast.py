"""What a forecast is: a point and quantiles for each step ahead; and what every model that gives some can do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.special import ndtri

from seqloom.data.series import History

LEVELS = (0.025, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.975)
"""The probabilities of the quantiles: deciles, and the ends of central intervals of 50 %, 80 % and 95 %."""

MEDIAN = LEVELS.index(0.5)


class Forecast(NamedTuple):
    """`point` (horizon,): the forecast that is scored by its absolute error, near the median. `quantiles` (horizon,
    levels): ascending, at `LEVELS`. `paths` (paths, horizon): samples of what may follow, none where not asked for."""

    point: Float[NDArray[np.float64], " horizon"]
    quantiles: Float[NDArray[np.float64], "horizon levels"]
    paths: Float[NDArray[np.float64], "paths horizon"] | None = None

    @classmethod
    def normal(cls, point: NDArray[np.float64], deviation: NDArray[np.float64]) -> Forecast:
        """With normal errors of these standard deviations, one a step ahead."""
        return cls(point, point[:, None] + deviation[:, None] * ndtri(np.array(LEVELS)))

    @classmethod
    def of_paths(cls, point: NDArray[np.float64], paths: NDArray[np.float64]) -> Forecast:
        return cls(point, np.quantile(paths, LEVELS, axis=0).T, paths)


@runtime_checkable
class Forecaster(Protocol):
    """A model that says what follows what is known of a series."""

    factors: Float[NDArray[np.float64], " levels"]
    """See `calibration.factors`."""

    def forecasts(
        self, histories: Sequence[History], horizon: int, *, seed: int = 1, paths: int = 0, refit: bool = True
    ) -> Iterator[Forecast]:
        """Of each, in the order given, not yet calibrated. `paths`: sample paths beside them. `refit`: a model that is
        fitted to each series by itself is fitted to the history; otherwise it keeps the coefficients that it has."""
        ...


def normal_paths(forecast: Forecast, count: int, seed: int) -> NDArray[np.float64]:
    """(count, horizon): samples with the forecast's quantiles at each step, and the dependence between steps of a
    Gaussian random walk, where a model knows of none."""
    chance = np.random.default_rng(seed)
    horizon = len(forecast.point)
    walk = chance.standard_normal((count, horizon)).cumsum(1) / np.sqrt(np.arange(1, horizon + 1))
    levels = ndtri(np.array(LEVELS))
    steps = (np.interp(walk[:, h], levels, forecast.quantiles[h]) for h in range(horizon))
    return np.stack(list(steps), axis=1)
