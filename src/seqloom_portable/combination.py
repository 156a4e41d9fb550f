"""Autoregressions of several specifications, fitted to one series and averaged by their past forecast errors."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.autoregression import Candidate, Fit, fit
from seqloom_portable.least_squares import INTERPRETED, Kernels, Matrix, Vector

PATHS = 800
"""Sample paths from which quantiles are computed."""

_MAX_CHANGE = 3.0
"""A fit is left out if its forecast changes more than this many times the largest past change over as many steps."""

_EXTRA_STEPS = 8
"""The earliest past origin has two seasons and this many steps before it."""


class Options(NamedTuple):
    """How autoregressions of a series are specified; the settings of the model `ar` describe each."""

    combine: bool = True
    transform: str = "auto"
    differences: str | int = "auto"
    seasonal_differences: str | int = "auto"
    trend: str | bool = "auto"
    season: str | bool = "auto"
    max_lags: int = 0
    criterion: str = "hqc"
    origins: int = 24

    def lag_limit(self, period: int) -> int:
        return self.max_lags or (min(2 * period + 1, 36) if period > 1 else 20)

    def candidates(self, values: Vector, period: int) -> Iterator[Candidate]:
        """The specifications that suit a series and that the settings allow."""
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
                            for seasonal_lags in (False, True) if seasonal else (False,):
                                yield Candidate(power, differences, seasonal_differences, trend, season, seasonal_lags)


def _choices(setting: object, automatic: Sequence[object]) -> Sequence[Any]:
    return automatic if setting == "auto" else (setting,)


class Coefficients(NamedTuple):
    """The autoregression with the largest weight: its `specification` and `order`, its `terms` (name, coefficient,
    standard error), its characteristic `roots` (modulus, period of the cycle in steps or None for a real root); and the
    weights of all `specifications`, the largest first."""

    specification: str
    order: int
    terms: list[tuple[str, float, float]]
    roots: list[tuple[float, float | None]]
    specifications: list[tuple[str, float]]


class Sampled(NamedTuple):
    """`point` (horizon,); `quantiles` (horizon, levels) of the sample `paths` (paths, horizon)."""

    point: Vector
    quantiles: Matrix
    paths: Matrix


def path_seeds(seed: int, name: str, steps: int) -> tuple[int, int, int]:
    """The seeds of a series' sample paths: other series, and longer histories, have other paths."""
    return seed, zlib.crc32(name.encode()), steps


@dataclass(frozen=True)
class Combination:
    """Fits to one series, the largest weight first, and their `weights`, which sum to one."""

    fits: Sequence[Fit]
    weights: Vector

    @classmethod
    def of(
        cls, values: Vector, period: int, horizon: int, options: Options, kernels: Kernels = INTERPRETED
    ) -> Combination | None:
        """None if the series is too short for every candidate."""
        origins = past_origins(len(values), period, horizon, options.origins)
        max_lags = options.lag_limit(period)
        candidates = options.candidates(values, period)
        attempts = (
            fit(values, candidate, period, horizon, origins, max_lags, options.criterion, kernels)
            for candidate in candidates
        )
        fits = [fitted for fitted in attempts if fitted is not None]
        if not fits:
            return None
        errors = np.array([_past_error(fitted, values, origins, horizon) for fitted in fits])
        limit = _MAX_CHANGE * largest_change(values, horizon)
        changes = np.array([np.abs(fitted.forecast(values, horizon) - values[-1]).max() for fitted in fits])
        errors[~(changes <= limit)] = np.inf
        usable = np.isfinite(errors)
        if not usable.any():
            return None
        # The largest weight is at most a million times the smallest, even if an error is zero.
        largest = errors[usable].max()
        weights = np.maximum(errors / largest, 1e-3) ** -2.0 if largest > 0 else usable.astype(np.float64)
        if not options.combine:
            weights = (np.arange(len(fits)) == errors.argmin()).astype(np.float64)
        order = np.argsort(-weights, kind="stable")
        order = order[weights[order] > 0]
        return cls([fits[i] for i in order], weights[order] / weights.sum())

    def forecast(self, values: Vector, horizon: int) -> Vector:
        return self.weights @ np.stack([fitted.forecast(values, horizon) for fitted in self.fits])

    def paths(self, values: Vector, horizon: int, count: int, rng: np.random.Generator) -> tuple[Vector, Matrix]:
        """The point forecast, and (count, horizon) sample paths, drawn from each fit in proportion to its weight.

        Each fit's paths are recentred on the combined forecast, so that their median is the point forecast. The
        differences between the fits' forecasts do not add to the spread: with them intervals were too wide."""
        centers = np.stack([fitted.forecast(values, horizon) for fitted in self.fits])
        point = self.weights @ centers
        # Without their last digits, weights that compiled and interpreted loops computed are drawn from alike.
        weights = np.round(self.weights, 9)
        counts = rng.multinomial(count, weights / weights.sum()).tolist()
        samples = np.concatenate(
            [
                _recentred(fitted.paths(values, horizon, n, rng), center, point, values)
                for fitted, center, n in zip(self.fits, centers, counts, strict=True)
                if n
            ]
        )
        samples = _recentred(samples, np.median(samples, axis=0), point, values)
        samples = samples[rng.permutation(count)]  # much faster than rng.shuffle, which exchanges rows one by one
        return point, np.maximum(samples, 0.0) if values.min() >= 0 else samples

    def sampled(
        self, values: Vector, horizon: int, levels: Sequence[float], seeds: Sequence[int], count: int = PATHS
    ) -> Sampled:
        """The forecast with the quantiles of `count` sample paths."""
        point, paths = self.paths(values, horizon, count, np.random.default_rng(seeds))
        return Sampled(point, np.quantile(paths, levels, axis=0).T, paths)

    def without_past(self) -> Combination:
        """The same forecasts in a tenth of the memory: without what the fits forecast at past origins, and without the
        uncertainty of their coefficients, which a saved run does not hold either."""
        nothing = np.zeros((0, 0))
        return Combination([replace(fitted, factor=None, past=nothing) for fitted in self.fits], self.weights)

    def report(self) -> Coefficients:
        """The coefficients of the fit with the largest weight, and the weights of all."""
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
        for fitted, weight in zip(self.fits, self.weights.tolist(), strict=True):
            weights[fitted.candidate.text] = weights.get(fitted.candidate.text, 0.0) + weight
        specifications = sorted(weights.items(), key=lambda pair: -pair[1])
        return Coefficients(first.candidate.text, first.order, terms, roots, specifications)


def _recentred(paths: Matrix, center: Vector, point: Vector, values: Vector) -> Matrix:
    """The paths around `point` instead of `center`: scaled if all values are positive, otherwise shifted."""
    if values.min() > 0 and (center > 0).all() and (point > 0).all():
        return paths * (point / center)
    return paths + (point - center)


def past_origins(steps: int, period: int, horizon: int, max_origins: int) -> NDArray[np.int64]:
    """The last origins whose whole horizon is known, ascending; none in the first half of the series."""
    earliest = max(steps // 2, 2 * period + _EXTRA_STEPS)
    last = steps - horizon
    return np.arange(max(last - max_origins + 1, earliest), last + 1, dtype=np.int64)


def largest_change(values: Vector, horizon: int) -> float:
    """The largest absolute change of the series over up to `horizon` steps."""
    longest = min(horizon, len(values) - 1)
    return max((float(np.abs(values[k:] - values[:-k]).max()) for k in range(1, longest + 1)), default=0.0)


def _past_error(fitted: Fit, values: Vector, origins: NDArray[np.int64], horizon: int) -> float:
    """The mean absolute forecast error over the past origins; 1 if there are none."""
    if not len(origins):
        return 1.0
    actual = np.stack([values[origin : origin + horizon] for origin in origins])
    return float(np.abs(actual - fitted.past).mean())
