"""Autoregressions of all kinds fitted to one series and averaged, weighed by what each forecast in its past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqloom.config import Settings
from seqloom.models.forecasting.autoregression import Candidate, Fit, Matrix, Vector, fit

_RUNAWAY = 3.0
"""A forecast that moves so many times further than the series ever did in as many steps is left out."""

_SPARE_STEPS = 8
"""Steps beyond two seasons that the earliest origin of the past leaves to fit on."""


class AutoregressionSettings(Settings):
    combine: bool = Field(
        True,
        description="average all kinds, by the inverse square of their errors in the past; otherwise the best alone",
    )
    transform: Literal["auto", "none", "log", "sqrt"] = Field("auto", description="of the values, before all else")
    differences: Literal["auto", 0, 1] = Field("auto", description="differences between a step and the one before")
    seasonal_differences: Literal["auto", 0, 1] = Field(
        "auto", description="differences between a step and a season before"
    )
    trend: Literal["auto", True, False] = Field("auto", description="a straight line in time among the regressors")
    season: Literal["auto", True, False] = Field("auto", description="effects of the season among the regressors")
    max_lags: int = Field(0, ge=0, le=1_000, description="lags at most, fewer by AICc; 0: two seasons, or 20")
    origins: int = Field(24, gt=0, le=1_000, description="origins in a series' past at which the kinds are compared")

    def most_lags(self, period: int) -> int:
        return self.max_lags or (min(2 * period + 1, 36) if period > 1 else 20)

    def candidates(self, values: Vector, period: int) -> Iterator[Candidate]:
        """Those that make sense for a series and are not ruled out."""
        lowest, seasonal = float(values.min()), period > 1
        powers = {"auto": (1.0, 0.5, 0.0), "none": (1.0,), "sqrt": (0.5,), "log": (0.0,)}[self.transform]
        powers = tuple(p for p in powers if p == 1 or lowest > 0 or (p == 0.5 and lowest >= 0)) or (1.0,)
        for power in powers:
            for differences in _choices(self.differences, (0, 1)):
                for seasonal_differences in _choices(self.seasonal_differences, (0, 1)) if seasonal else (0,):
                    differenced = differences + seasonal_differences > 0
                    for trend in _choices(self.trend, (False,) if differenced else (False, True)):
                        season_too = seasonal and not seasonal_differences
                        for season in _choices(self.season, (False, True) if season_too else (False,)):
                            for early in (False, True) if seasonal else (False,):
                                yield Candidate(power, differences, seasonal_differences, trend, season, early)


def _choices(setting: object, automatic: Sequence[object]) -> Sequence[Any]:
    return automatic if setting == "auto" else (setting,)


class Coefficients(NamedTuple):
    """Of the heaviest autoregression of a series: its `kind` and `order`, its `terms` (name, coefficient, standard
    error), its characteristic `roots` (size, steps of the cycle, None of a real one), and all `kinds` by weight."""

    kind: str
    order: int
    terms: list[tuple[str, float, float]]
    roots: list[tuple[float, float | None]]
    kinds: list[tuple[str, float]]


@dataclass(frozen=True)
class Combination:
    """Fits of one series, the heaviest first, and their `weights`, which sum to one."""

    fits: Sequence[Fit]
    weights: Vector

    @classmethod
    def of(cls, values: Vector, period: int, horizon: int, settings: AutoregressionSettings) -> Combination | None:
        """None where the series is too short for any."""
        origins = past_origins(len(values), period, horizon, settings.origins)
        most = settings.most_lags(period)
        tried = (fit(values, kind, period, horizon, origins, most) for kind in settings.candidates(values, period))
        fits = [found for found in tried if found is not None]
        if not fits:
            return None
        errors = np.array([_past_error(found, values, origins, horizon) for found in fits])
        furthest = _RUNAWAY * furthest_move(values, horizon)
        moves = np.array([np.abs(found.forecast(values, horizon) - values[-1]).max() for found in fits])
        errors[~(moves <= furthest)] = np.inf
        usable = np.isfinite(errors)
        if not usable.any():
            return None
        # No error weighs more than a million times another's, not even one of zero.
        largest = errors[usable].max()
        weights = np.maximum(errors / largest, 1e-3) ** -2.0 if largest > 0 else usable.astype(np.float64)
        if not settings.combine:
            weights = (np.arange(len(fits)) == errors.argmin()).astype(np.float64)
        order = np.argsort(-weights, kind="stable")
        order = order[weights[order] > 0]
        return cls([fits[i] for i in order], weights[order] / weights.sum())

    def forecast(self, values: Vector, horizon: int) -> Vector:
        return self.weights @ np.stack([found.forecast(values, horizon) for found in self.fits])

    def paths(self, values: Vector, horizon: int, count: int, chance: np.random.Generator) -> tuple[Vector, Matrix]:
        """The point forecast, and (count, horizon) what may follow: from each fit as its weight says, moved from its
        own forecast to that of all, so that their median is the point forecast. The disagreement of the fits is no part
        of the spread: that of their average is smaller, and left in it made intervals too wide."""
        each = np.stack([found.forecast(values, horizon) for found in self.fits])
        point = self.weights @ each
        counts = chance.multinomial(count, self.weights).tolist()
        drawn = np.concatenate(
            [
                _moved(found.paths(values, horizon, n, chance), own, point, values)
                for found, own, n in zip(self.fits, each, counts, strict=True)
                if n
            ]
        )
        drawn = _moved(drawn, np.median(drawn, axis=0), point, values)
        chance.shuffle(drawn)
        return point, np.maximum(drawn, 0.0) if values.min() >= 0 else drawn

    def report(self) -> Coefficients:
        """What a reader is told: the heaviest fit in full, the others by their weight."""
        first = self.fits[0]
        names = ["constant", *(["trend"] if first.candidate.trend else [])]
        names += [f"season {number}" for number in range(1, first.columns - len(names) + 1)]
        names += [f"lag {lag}" for lag in first.lags.tolist()]
        terms = list(zip(names, first.coefficients.tolist(), first.errors().tolist(), strict=True))
        roots = [
            (float(abs(root)), float(2 * np.pi / abs(np.angle(root))) if abs(root.imag) > 1e-9 else None)
            for root in first.roots()
            if root.imag >= 0
        ]
        weights: dict[str, float] = {}
        for found, weight in zip(self.fits, self.weights.tolist(), strict=True):
            weights[found.candidate.text] = weights.get(found.candidate.text, 0.0) + weight
        kinds = sorted(weights.items(), key=lambda pair: -pair[1])
        return Coefficients(first.candidate.text, first.order, terms, roots, kinds)


def _moved(paths: Matrix, center: Vector, point: Vector, values: Vector) -> Matrix:
    """The paths with `point` for their `center`: scaled where all is positive, shifted elsewhere."""
    if values.min() > 0 and (center > 0).all() and (point > 0).all():
        return paths * (point / center)
    return paths + (point - center)


def past_origins(steps: int, period: int, horizon: int, most: int) -> NDArray[np.int64]:
    """The last origins whose whole horizon is known, ascending, none in the first half of a series."""
    earliest = max(steps // 2, 2 * period + _SPARE_STEPS)
    last = steps - horizon
    return np.arange(max(last - most + 1, earliest), last + 1, dtype=np.int64)


def furthest_move(values: Vector, horizon: int) -> float:
    """The largest distance between two values that lie up to `horizon` steps apart."""
    most = min(horizon, len(values) - 1)
    return max((float(np.abs(values[k:] - values[:-k]).max()) for k in range(1, most + 1)), default=0.0)


def _past_error(found: Fit, values: Vector, origins: NDArray[np.int64], horizon: int) -> float:
    """The mean absolute error at the origins; 1 of all where there are none."""
    if not len(origins):
        return 1.0
    actual = np.stack([values[origin : origin + horizon] for origin in origins])
    return float(np.abs(actual - found.past).mean())
