"""Scores of forecasts: of points (MASE, sMAPE, RMSSE) and of distributions (CRPS, pinball loss, coverage)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from seqloom.data.series.panel import Vector
from seqloom.metrics.example_scores import ExampleScores
from seqloom_portable.closed_form import seasonal_differences
from seqloom_portable.combination import Coefficients

INTERVALS = {50: (0.25, 0.75), 80: (0.1, 0.9), 95: (0.025, 0.975)}
"""The central intervals whose coverage is measured, in per cent, by the probabilities of their ends."""

DECILES = tuple(round(0.1 * k, 1) for k in range(1, 10))

_SUMS = (
    "scaled_absolute",
    "scaled_squared",
    "smape",
    "crps",
    "absolute",
    "squared",
    *(f"within_{p}" for p in INTERVALS),
)
_SCALED = [_SUMS.index(name) for name in ("scaled_absolute", "scaled_squared", "crps")]

_ROUNDING = 1e-9
"""Relative errors that are rounding: intervals of series without noise have no width."""

ENOUGH_SERIES = 10
"""From this number of series on, series are the independent units of tests; with fewer, origins are."""


class Scale(NamedTuple):
    """The mean absolute and the mean squared error of the seasonal naive forecast, one season ahead, over a series'
    past, by which errors are divided (Hyndman and Koehler 2006). NaN if that is 0: the past is
    constant, exactly periodic or has one value."""

    absolute: float
    squared: float

    @classmethod
    def of(cls, past: Vector, period: int) -> Scale:
        """If the past is no longer than a season, the naive forecast one step ahead is used."""
        errors = seasonal_differences(past, period)
        absolute = float(np.abs(errors).mean()) if len(errors) else 0.0
        return cls(absolute, float((errors**2).mean())) if absolute > 0 else cls(np.nan, np.nan)


class SeriesStudy(NamedTuple):
    """One series on the forecast page. `history` ends before the step `origin`; `median`, `actual` and the ends of the
    `wide` (95 %) and `narrow` (80 %) intervals are of the steps from there on; `times` are of the history and these
    steps; `errors` are of one step ahead."""

    name: str
    origin: int
    origins: int
    times: Sequence[str]
    mase: float
    history: Vector
    actual: Vector
    median: Vector
    wide: tuple[Vector, Vector]
    narrow: tuple[Vector, Vector]
    errors: Vector
    coefficients: Coefficients | None


class ForecastStudy(NamedTuple):
    """Scores of forecasts on a split, in total and by step ahead, and some of its series."""

    scores: dict[str, float]
    by_horizon: list[dict[str, float]]
    period: int
    series: list[SeriesStudy]


class ForecastRow(NamedTuple):
    """One step ahead of one series. `quantiles` (levels,); `paths` (paths,): the values of the sample paths at this
    step, None unless requested."""

    series: str
    time: str
    mean: float
    quantiles: NDArray[np.float64]
    paths: NDArray[np.float64] | None


class Anomaly(NamedTuple):
    """The anomaly score of a value: the ends of its one-step 95 % interval, and the two-sided tail probability."""

    series: str
    time: str
    value: float
    expected: float
    lower: float
    upper: float
    probability: float


def pinball(
    actual: Float[NDArray[np.float64], " horizon"],
    quantiles: Float[NDArray[np.float64], "horizon levels"],
    levels: Sequence[float],
) -> Float[NDArray[np.float64], "horizon levels"]:
    """max(tau (y - q), (tau - 1) (y - q)) for the quantile q of probability tau (Koenker and Bassett 1978)."""
    over = actual[:, None] - quantiles
    probabilities = np.array(levels)
    return np.maximum(probabilities * over, (probabilities - 1) * over)


def crps(
    actual: Float[NDArray[np.float64], " horizon"],
    quantiles: Float[NDArray[np.float64], "horizon levels"],
    levels: Sequence[float],
) -> Float[NDArray[np.float64], " horizon"]:
    """The continuous ranked probability score by nine quantiles: twice the mean pinball loss over the deciles."""
    deciles = [levels.index(level) for level in DECILES]
    return 2 * pinball(actual, quantiles[:, deciles], DECILES).mean(1)


@dataclass
class ForecastScores:
    """Scores of forecasts, averaged over series: all series have equal weight, and within a series all origins and
    steps."""

    levels: Sequence[float]
    period: int
    horizon: int
    names: Sequence[str] = ()
    sums: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    """By series: (scores, horizon) sums over origins, without the scaled scores of a past that has no scale."""
    counts: dict[int, int] = field(default_factory=dict)
    """By series: the number of origins."""
    scaled_counts: dict[int, int] = field(default_factory=dict)
    """By series: the number of origins whose past has a scale."""
    origins: list[tuple[int, int, float, float]] = field(default_factory=list)
    """(series, origin, scaled absolute error, scaled CRPS) of each forecast, for tests between two models."""

    def add(
        self, series: int, origin: int, past: Vector, actual: Vector, point: Vector, quantiles: NDArray[Any]
    ) -> None:
        """Adds a forecast of series number `series`; `past` are its values before `origin`."""
        scale = Scale.of(past, self.period)
        error, size = np.abs(actual - point), np.abs(actual) + np.abs(point)
        with np.errstate(invalid="ignore", divide="ignore"):
            rows = [
                error / scale.absolute,
                error**2 / scale.squared,
                np.where(size > 0, 200 * error / size, 0.0),
                crps(actual, quantiles, self.levels) / scale.absolute,
                error,
                error**2,
            ]
        slack = _ROUNDING * np.abs(actual)
        for low, high in INTERVALS.values():
            lower, upper = quantiles[:, self.levels.index(low)], quantiles[:, self.levels.index(high)]
            rows.append(((lower - slack <= actual) & (actual <= upper + slack)).astype(np.float64))
        stacked = np.stack(rows)
        self.origins.append((series, origin, float(stacked[0].mean()), float(stacked[3].mean())))
        has_scale = bool(np.isfinite(scale.absolute))
        if not has_scale:
            stacked[_SCALED] = 0.0
        sums = self.sums.setdefault(series, np.zeros_like(stacked))
        sums += stacked
        self.counts[series] = self.counts.get(series, 0) + 1
        self.scaled_counts[series] = self.scaled_counts.get(series, 0) + has_scale

    def means(self, series: int) -> NDArray[np.float64]:
        """(scores, horizon): the mean scores of one series; the scaled ones are NaN if no past has a scale."""
        counts = np.full((len(_SUMS), 1), float(self.counts[series]))
        counts[_SCALED] = self.scaled_counts[series] or np.nan
        return self.sums[series] / counts

    def _by_series(self) -> NDArray[np.float64]:
        """(series, scores, horizon)"""
        return np.stack([self.means(series) for series in self.sums])

    def metrics(self) -> dict[str, float]:
        """All metrics by name. `mase` and `rmsse` are scaled by the seasonal naive errors of each series' own past at
        the origin, `crps` likewise; `mae` and `rmse` are in the data's units."""
        return _named(_mean(self._by_series(), (0, 2)), self.origins)

    def example_scores(self) -> ExampleScores:
        """MASE of each series; with few series, of each forecast, such that all series have equal weight."""
        rows = [
            (series, error / self.scaled_counts[series], 1 / self.scaled_counts[series])
            for series, _, error, _ in self.origins
            if np.isfinite(error)
        ]
        if len(self.sums) < ENOUGH_SERIES:
            sums = np.array([row[1:] for row in rows]).reshape(-1, 2)
            return ExampleScores("ratio", "forecast", sums, self._overlap())
        places = {series: place for place, series in enumerate(self.sums)}
        sums = np.zeros((len(places), 2))
        for series, error, weight in rows:
            sums[places[series]] += error, weight
        return ExampleScores("ratio", "series", sums)

    def _overlap(self) -> int:
        """The number of consecutive origins whose horizons overlap."""
        pairs = itertools.pairwise(self.origins)
        steps = (later[1] - earlier[1] for earlier, later in pairs if later[0] == earlier[0])
        return -(-self.horizon // max(min(steps, default=self.horizon), 1))

    def by_horizon(self) -> list[dict[str, float]]:
        """The metrics of each step ahead."""
        means = _mean(self._by_series(), (0,))
        return [{"step": h + 1, **_named(means[:, h], ())} for h in range(means.shape[1])]

    def mase_of(self, series: int) -> float:
        """The MASE of one series; NaN if no past has a scale."""
        return float(self.means(series)[_SUMS.index("scaled_absolute")].mean())

    def worst_first(self) -> list[int]:
        """The numbers of the series, the largest MASE first, those without one last."""
        return sorted(self.sums, key=lambda series: -np.nan_to_num(self.mase_of(series)))

    def by_series(self) -> list[dict[str, Any]]:
        """The metrics of each series, the worst MASE first."""
        return [
            {
                "series": self.names[series] if self.names else str(series),
                **_named(self.means(series).mean(1), ()),
            }
            for series in self.worst_first()
        ]


def _mean(values: NDArray[np.float64], axes: tuple[int, ...]) -> NDArray[np.float64]:
    """The mean without NaN; NaN if all values are."""
    real = np.isfinite(values)
    count = real.sum(axes)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, np.where(real, values, 0.0).sum(axes) / count, np.nan)


def _named(means: NDArray[np.float64], origins: Sequence[Any]) -> dict[str, float]:
    scores = dict(zip(_SUMS, means.tolist(), strict=True))
    named = {
        "mase": scores["scaled_absolute"],
        "smape": scores["smape"],
        "rmsse": float(np.sqrt(scores["scaled_squared"])),
        "crps": scores["crps"],
        **{f"coverage_{p}": scores[f"within_{p}"] for p in INTERVALS},
        "mae": scores["absolute"],
        "rmse": float(np.sqrt(scores["squared"])),
    }
    return named | ({"forecasts": len(origins)} if origins else {})
