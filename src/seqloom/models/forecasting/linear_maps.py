"""Linear maps from windows to all steps ahead: regressors, weights in closed form, errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seqloom.data.series.panel import History, Matrix, SeriesData, Vector
from seqloom.models.forecasting.forecast import DEVIATES
from seqloom_portable.closed_form import LARGEST_LOG, SMALLEST, LinearMap, features, padded_before, seasonal_scale

_MIN_HISTORY = 2
_ROWS = 4_096


@dataclass(frozen=True)
class Shape:
    """Sizes of a map. `log`: it works on logarithms."""

    context: int
    horizon: int
    log: bool
    covariate_steps: int


class Windows(NamedTuple):
    """Windows with what follows them, a row each: the `regressors` and the `targets` (rows, horizon) of a map. A value
    is target * `scale` + `level`; `unit` is the scale of the series; these are (rows, 1)."""

    regressors: Matrix
    targets: Matrix
    level: Matrix
    scale: Matrix
    unit: Matrix


@dataclass(frozen=True)
class Map:
    """`weights` (regressors, horizon) and the standard `deviation` of its errors (horizon,), on the scale of the
    series; its `share` in the forecast."""

    shape: Shape
    weights: Matrix
    deviation: Vector
    share: float = 1.0

    def quantiles(self, history: History, period: int, horizon: int) -> Matrix:
        """(horizon, levels) for the first `horizon` steps of the map."""
        return self.portable().quantiles(history.values, history.past, period, horizon, DEVIATES)

    def portable(self) -> LinearMap:
        shape = self.shape
        return LinearMap(shape.context, shape.covariate_steps, shape.log, self.weights, self.deviation, self.share)

    def errors(self, windows: Windows) -> tuple[Matrix, Matrix]:
        """(rows, horizon): the errors on the scale of the map, and relative to the scale of each series."""
        forecast = windows.regressors @ self.weights
        errors = windows.targets - forecast
        if not self.shape.log:
            return errors, errors * (windows.scale / windows.unit)
        actual = np.exp(windows.targets + windows.level)
        return errors, (actual - np.exp(np.minimum(forecast + windows.level, LARGEST_LOG))) / windows.unit


@dataclass(frozen=True)
class NormalEquations:
    """`squares` X'X (regressors, regressors) and `moments` X'Y (regressors, horizon), summed over windows."""

    squares: Matrix
    moments: Matrix

    @classmethod
    def of(cls, data: SeriesData, shape: Shape, period: int) -> NormalEquations:
        """Over all windows. Products in single precision, a block of rows at a time, sums in double."""
        size = shape.context + 1 + shape.covariate_steps * data.panel.past.shape[1]
        squares, moments = np.zeros((size, size)), np.zeros((size, shape.horizon))
        for windows in blocks(data, shape, period):
            regressors = windows.regressors.astype(np.float32)
            squares += regressors.T @ regressors
            moments += regressors.T @ windows.targets.astype(np.float32)
        return cls(squares, moments)

    def plus(self, other: NormalEquations) -> NormalEquations:
        return NormalEquations(self.squares + other.squares, self.moments + other.moments)

    def weights(self, strength: float) -> Matrix:
        """(X'X + penalty I)^-1 X'Y; the penalty is `strength` times the mean square of the regressors."""
        size = len(self.squares)
        penalty = strength * np.trace(self.squares) / size + SMALLEST
        return np.linalg.solve(self.squares + penalty * np.eye(size), self.moments)


def blocks(data: SeriesData, shape: Shape, period: int, size: int = _ROWS) -> Iterator[Windows]:
    """All windows of `data`, about `size` at a time, those of short series together."""
    held: list[Windows] = []
    for windows in _blocks_of_series(data, shape, period, size):
        held.append(windows)
        if sum(len(part.level) for part in held) >= size:
            yield Windows(*map(np.concatenate, zip(*held, strict=True)))
            held = []
    if held:
        yield Windows(*map(np.concatenate, zip(*held, strict=True)))


def _blocks_of_series(data: SeriesData, shape: Shape, period: int, size: int) -> Iterator[Windows]:
    """At most `size` windows of one series at a time."""
    for series in range(len(data.panel)):
        end = int(data.last[series])
        begin = max(int(data.first[series]), _MIN_HISTORY)
        if end - shape.horizon < begin:
            continue
        values = data.panel.of(series)[:end]
        past = data.panel.past[data.panel.offsets[series] : data.panel.offsets[series] + end]
        missing = max(shape.context - begin, 0)
        padded = padded_before(values, missing)
        windows = np.lib.stride_tricks.sliding_window_view(padded, shape.context + shape.horizon)
        windows = windows[begin + missing - shape.context :]
        unit = seasonal_scale(values, period)
        covariates = padded_before(past, missing)
        for at in range(0, len(windows), size):
            block = windows[at : at + size]
            rows = np.arange(at, at + len(block))[:, None] + begin + missing
            recent = covariates[rows + np.arange(-shape.covariate_steps, 0)]
            regressors, level, scale = features(block[:, : shape.context], recent, shape.log, unit)
            ahead = block[:, shape.context :]
            targets = np.log(np.maximum(ahead, SMALLEST)) if shape.log else ahead
            scales = np.full_like(level, scale), np.full_like(level, unit)
            yield Windows(regressors, (targets - level) / scale, level, *scales)
