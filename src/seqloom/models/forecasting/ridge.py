"""The model `ridge`: linear maps from windows to all steps ahead, shared by all series, in closed form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import nnls

from seqloom.config import Settings
from seqloom.data.series.panel import History, Matrix, SeriesData, seasonal_differences
from seqloom.data.series.recipe import SeriesCodec
from seqloom.errors import RequestError
from seqloom.models.forecasting.calibration import factors_on
from seqloom.models.forecasting.forecast import MEDIAN, Forecast
from seqloom.models.forecasting.local import QuantileForecaster

_PERIODS = (1, 2, 3, 4, 8, 14, 21)
"""Lengths of the windows that are compared, in periods."""

_STEPS = (4, 8, 12, 24, 48)
"""Lengths of the windows, in steps, for series without a season."""

_STRENGTHS = (1e-4, 3e-3, 3e-2, 0.15, 0.6)
"""Penalties that are compared, relative to the mean square of the regressors."""

_MIN_SHARE = 0.02
"""Maps with a smaller share are left out."""

_MAX_ERROR = 10.0
"""Errors are clipped at this many times the scale of the series, so that one does not outweigh all others."""

_ROWS = 4_096
_ROWS_OF_EACH = 512
"""Windows in a block: of one map, and of several at the same time."""

_MIN_HISTORY = 2


class RidgeSettings(Settings):
    context: int = Field(0, ge=0, le=10_000, description="steps in a window; 0: selected on the validation data")
    transform: Literal["auto", "none", "log"] = Field(
        "auto", description="transformation of the values; auto: selected on the validation data"
    )
    covariate_steps: int = Field(0, ge=0, le=10_000, description="steps of past covariates; 0: two periods")


@dataclass(frozen=True)
class Shape:
    """Sizes of a map. `log`: it works on logarithms."""

    context: int
    horizon: int
    log: bool
    covariate_steps: int


@dataclass(frozen=True)
class Map:
    """`weights` (regressors, horizon) and the standard `deviation` of its errors (horizon,), on the scale of the
    series; its `share` in the forecast."""

    shape: Shape
    weights: Matrix
    deviation: NDArray[np.float64]
    share: float = 1.0


class Ridge(QuantileForecaster):
    """y_{T+1..T+H} = W x_T + b on windows minus their last value, divided by the scale of the series.

    Maps of several windows and transformations are averaged, with shares that minimise the squared error on the
    validation data (stacked regressions, Breiman 1996); the penalty of each is selected there too. Then the maps are
    fitted to both parts.
    """

    description = "Linear maps from windows to the horizon, the same for all series, in closed form."
    source = "Hoerl and Kennard 1970; Breiman 1996"
    settings: ClassVar[type[Settings]] = RidgeSettings

    def __init__(self, settings: RidgeSettings, calibrate: bool) -> None:
        super().__init__(settings, calibrate)
        self.maps: list[Map] = []

    def fit(self, train: SeriesData, valid: SeriesData, codec: SeriesCodec) -> None:
        self.period = codec.period
        selected = self._select(train, valid, codec)
        self.maps = [fitted for fitted, _, _ in selected]
        if self.calibrate:
            self.factors = factors_on(self, valid, codec.horizon)
        if valid.panel is train.panel:
            self.maps = [
                replace(fitted, weights=self._refitted(valid, fitted.shape, totals, strength))
                for fitted, totals, strength in selected
            ]

    def _refitted(self, valid: SeriesData, shape: Shape, totals: tuple[Matrix, Matrix], strength: float) -> Matrix:
        """The weights fitted to the training and the validation data; `totals` are the sums over the training data."""
        squares, moments = gram(valid, shape, self.period)
        return solve(totals[0] + squares, totals[1] + moments, strength)

    def _select(
        self, train: SeriesData, valid: SeriesData, codec: SeriesCodec
    ) -> list[tuple[Map, tuple[Matrix, Matrix], float]]:
        """For each window and transformation the best penalty, and of these the maps that have a share in the forecast:
        maps fitted to the training data, their sums, and their penalties."""
        best: list[tuple[float, Map, tuple[Matrix, Matrix], float]] = []
        for shape in self._shapes(train, codec):
            totals, by_strength = gram(train, shape, self.period), []
            for strength in _STRENGTHS:
                fitted = Map(shape, solve(*totals, strength), np.zeros(0))
                error, deviation = _error(fitted, valid, self.period)
                by_strength.append((error, replace(fitted, deviation=deviation), totals, strength))
            best.append(min(by_strength, key=lambda entry: entry[0]))
        best = [entry for entry in best if np.isfinite(entry[0])]
        if not best:
            raise RequestError("no series has a window and a horizon to learn from", expected="longer series")
        shares = stacked([fitted for _, fitted, _, _ in best], valid, self.period)
        return [
            (replace(fitted, share=share), totals, strength)
            for (_, fitted, totals, strength), share in zip(best, shares, strict=True)
            if share
        ]

    def _shapes(self, train: SeriesData, codec: SeriesCodec) -> Iterator[Shape]:
        values = np.concatenate([train.panel.of(i)[: train.last[i]] for i in range(len(train.panel))])
        positive = bool(len(values) and values.min() > 0)
        logs = {"auto": (False, True) if positive else (False,), "none": (False,), "log": (True,)}[
            self.options.transform
        ]
        longest = int(np.quantile(train.last, 0.9)) // 2
        sizes = [n * codec.period for n in _PERIODS] if codec.period > 1 else list(_STEPS)
        contexts = [self.options.context] if self.options.context else [s for s in sizes if s <= longest] or [sizes[0]]
        covariates = (self.options.covariate_steps or 2 * codec.period) if codec.past else 0
        for context in contexts:
            for log in logs:
                yield Shape(context, codec.horizon, log, min(context, covariates))

    def forecast(self, history: History, horizon: int) -> Forecast:
        """The quantiles are averaged over the maps, by their shares. Raises RequestError for a horizon longer than that
        of the training."""
        trained = self.maps[0].shape.horizon
        if horizon > trained:
            raise RequestError(
                "the model forecasts all steps at once, no more than it was trained for", got=horizon, expected=trained,
                hint="train with --set data.horizon=..",
            )  # fmt: skip
        parts = []
        for fitted in self.maps:
            window = history.values[None, -fitted.shape.context :]
            x, level, scale = features(window, history.past[None], fitted.shape, unit_of(history.values, self.period))
            point = (x @ fitted.weights)[0, :horizon] * scale + level[0]
            normal = Forecast.normal(point, fitted.deviation[:horizon] * scale)
            parts.append(np.exp(np.minimum(normal.quantiles, 700.0)) if fitted.shape.log else normal.quantiles)
        quantiles = np.average(parts, axis=0, weights=[fitted.share for fitted in self.maps])
        return Forecast(quantiles[:, MEDIAN], quantiles)

    def num_parameters(self) -> int:
        return sum(fitted.weights.size for fitted in self.maps)

    def arrays(self) -> dict[str, NDArray[Any]]:
        shapes = [(m.shape.context, m.shape.horizon, int(m.shape.log), m.shape.covariate_steps) for m in self.maps]
        weights = {f"weights.{number}": fitted.weights for number, fitted in enumerate(self.maps)}
        deviation = np.stack([fitted.deviation for fitted in self.maps])
        shares = np.array([fitted.share for fitted in self.maps])
        return {"shapes": np.array(shapes, np.int64), "deviation": deviation, "shares": shares, **weights}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.maps = []
        shares = arrays.get("shares", np.ones(len(arrays["shapes"])))  # older runs average with equal shares
        if len(shares) != len(arrays["shapes"]) or not (shares > 0).all():
            raise ValueError(f"shares {shares.tolist()}")
        for number, (context, horizon, log, covariates) in enumerate(arrays["shapes"].astype(np.int64).tolist()):
            shape = Shape(context, horizon, bool(log), covariates)
            weights, deviation = np.array(arrays[f"weights.{number}"]), np.array(arrays["deviation"][number])
            regressors = len(weights) if weights.ndim else 0
            if (
                min(context, horizon, covariates + 1) < 1
                or context >= regressors
                or covariates >= regressors
                or weights.shape != (regressors, horizon)
                or deviation.shape != (horizon,)
            ):
                raise ValueError(f"weights of shape {weights.shape} for {shape}")
            self.maps.append(Map(shape, weights, deviation, float(shares[number])))


def features(values: Matrix, past: NDArray[np.float64], shape: Shape, unit: float) -> tuple[Matrix, Matrix, float]:
    """From (rows, steps) values and (rows, steps, columns) covariates of a series with the scale `unit`: the regressors
    (rows, regressors), the level (rows, 1) and the scale: forecast = prediction * scale + level."""
    values = np.log(np.maximum(values, 1e-12)) if shape.log else values
    if values.shape[1] < shape.context:
        first = np.repeat(values[:, :1], shape.context - values.shape[1], axis=1)
        values = np.concatenate([first, values], axis=1)
    level = values[:, -1:]
    scale = 1.0 if shape.log else unit
    parts = [(values - level) / scale, np.ones_like(level)]
    if shape.covariate_steps and past.shape[2]:
        recent = past[:, -shape.covariate_steps :]
        if recent.shape[1] < shape.covariate_steps:
            first = np.repeat(recent[:, :1], shape.covariate_steps - recent.shape[1], axis=1)
            recent = np.concatenate([first, recent], axis=1)
        parts.append((recent - recent[:, -1:]).reshape(len(recent), -1))
    return np.concatenate(parts, axis=1), level, scale


def unit_of(values: NDArray[np.float64], period: int) -> float:
    """The scale of a series: its mean absolute seasonal difference; 1 if it is constant."""
    differences = seasonal_differences(values, period)
    return float(np.abs(differences).mean()) or 1.0 if len(differences) else 1.0


def _windows(data: SeriesData, shape: Shape, period: int, size: int) -> Iterator[tuple[Matrix, ...]]:
    """Blocks of regressors, scaled targets, levels, scales, and the mean absolute seasonal difference of the series,
    for all origins of `data`."""
    for series in range(len(data.panel)):
        end = int(data.last[series])
        begin = max(int(data.first[series]), _MIN_HISTORY)
        if end - shape.horizon < begin:
            continue
        values = data.panel.of(series)[:end]
        past = data.panel.past[data.panel.offsets[series] : data.panel.offsets[series] + end]
        lead = max(shape.context - begin, 0)
        padded = np.concatenate([np.repeat(values[:1], lead), values])
        windows = np.lib.stride_tricks.sliding_window_view(padded, shape.context + shape.horizon)
        windows = windows[begin + lead - shape.context :]
        unit = unit_of(values, period)
        covariates = np.concatenate([np.repeat(past[:1], lead, axis=0), past])
        for at in range(0, len(windows), size):
            block = windows[at : at + size]
            rows = np.arange(at, at + len(block))[:, None] + begin + lead
            recent = covariates[rows + np.arange(-shape.covariate_steps, 0)]
            x, level, scale = features(block[:, : shape.context], recent, shape, unit)
            ahead = block[:, shape.context :]
            targets = np.log(np.maximum(ahead, 1e-12)) if shape.log else ahead
            yield x, (targets - level) / scale, level, np.full_like(level, scale), np.full_like(level, unit)


def gram(data: SeriesData, shape: Shape, period: int) -> tuple[Matrix, Matrix]:
    """X'X and X'Y over all windows. Products in single precision, a block of rows at a time, sums in double."""
    size = shape.context + 1 + shape.covariate_steps * data.panel.past.shape[1]
    squares, moments = np.zeros((size, size)), np.zeros((size, shape.horizon))
    for x, y, *_ in _blocks(data, shape, period):
        single = x.astype(np.float32)
        squares += single.T @ single
        moments += single.T @ y.astype(np.float32)
    return squares, moments


def _blocks(data: SeriesData, shape: Shape, period: int, size: int = _ROWS) -> Iterator[tuple[Matrix, ...]]:
    """The blocks of `_windows`, small ones concatenated, since short series have few windows each."""
    held: list[tuple[Matrix, ...]] = []
    for block in _windows(data, shape, period, size):
        held.append(block)
        if sum(len(part[0]) for part in held) >= size:
            yield tuple(np.concatenate(parts) for parts in zip(*held, strict=True))
            held = []
    if held:
        yield tuple(np.concatenate(parts) for parts in zip(*held, strict=True))


def solve(squares: Matrix, moments: Matrix, strength: float) -> Matrix:
    penalty = strength * np.trace(squares) / len(squares) + 1e-12
    return np.linalg.solve(squares + penalty * np.eye(len(squares)), moments)


def stacked(maps: Sequence[Map], valid: SeriesData, period: int) -> list[float]:
    """The shares of the maps, at least 0 with a sum of 1, that minimise the mean squared error of their average on the
    validation data, relative to each series' scale (Breiman 1996)."""
    products = np.zeros((len(maps), len(maps)))
    for blocks in zip(*(_blocks(valid, fitted.shape, period, _ROWS_OF_EACH) for fitted in maps), strict=True):
        relative = [_errors(fitted, block)[1].ravel() for fitted, block in zip(maps, blocks, strict=True)]
        errors = np.clip(np.stack(relative), -_MAX_ERROR, _MAX_ERROR)
        products += errors @ errors.T
    size = float(np.trace(products)) / len(maps)
    if not size:
        return [1.0 / len(maps)] * len(maps)
    factor = np.linalg.cholesky(products / size + 1e-9 * np.eye(len(maps)))
    # |L' w|^2 is the squared error; a row of large numbers makes the shares sum to 1.
    rows = np.vstack([factor.T, np.full(len(maps), 1e3)])
    shares, _ = nnls(rows, np.append(np.zeros(len(maps)), 1e3))
    shares = np.where(shares < _MIN_SHARE, 0.0, shares)
    return (shares / shares.sum()).tolist()


def _errors(fitted: Map, block: tuple[Matrix, ...]) -> tuple[Matrix, Matrix]:
    """(rows, horizon): the errors of a map on its own scale, and relative to each series' scale."""
    x, y, level, scale, unit = block
    forecast = x @ fitted.weights
    if fitted.shape.log:
        return y - forecast, (np.exp(y + level) - np.exp(np.minimum(forecast + level, 700.0))) / unit
    return y - forecast, (y - forecast) * (scale / unit)


def _error(fitted: Map, valid: SeriesData, period: int) -> tuple[float, NDArray[np.float64]]:
    """The mean absolute error on the validation data, relative to each series' scale; and the standard deviation of the
    errors at each step, on the map's scale: half the distance between their 16 % and 84 % quantiles, which is robust to
    a few outlying series."""
    distances, errors = [], []
    for block in _blocks(valid, fitted.shape, period):
        error, relative = _errors(fitted, block)
        errors.append(error.astype(np.float32))
        distances.append(np.abs(relative).mean(1))
    if not distances:
        return np.inf, np.zeros(fitted.shape.horizon)
    low, high = np.quantile(np.concatenate(errors), [0.16, 0.84], axis=0)
    return float(np.concatenate(distances).mean()), ((high - low) / 2).astype(np.float64)
