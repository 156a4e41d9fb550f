"""Forecasts of a trained model: calibrated, from rolling origins, one value at a time; and anomaly scores."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.data.series.panel import History, Panel, SeriesData
from seqloom.data.series.recipe import SeriesCodec, SeriesRecipe
from seqloom.errors import RequestError
from seqloom.metrics.forecasting import Anomaly, ForecastRow, ForecastScores, ForecastStudy, SeriesStudy
from seqloom.models.forecasting.calibration import calibrated
from seqloom.models.forecasting.forecast import DEVIATES, LEVELS, MEDIAN, Forecast
from seqloom.tasks.capabilities import Trained

_AT_ONCE = 512
"""Forecasts in a block."""


def forecast_histories(
    trained: Trained, histories: Sequence[History], horizon: int, *, seed: int = 1, paths: int = 0, refit: bool = True
) -> Iterator[Forecast]:
    """A calibrated forecast of each history, in order. Forecasts of series without negative values are at least 0."""
    raw = trained.model.forecasts(histories, horizon, seed=seed, paths=paths, refit=refit)
    for history, forecast in zip(histories, raw, strict=True):
        adjusted = calibrated(forecast, trained.model.factors)
        yield _never_negative(adjusted) if history.values.min() >= 0 else adjusted


def _never_negative(forecast: Forecast) -> Forecast:
    paths = None if forecast.paths is None else np.maximum(forecast.paths, 0.0)
    return Forecast(np.maximum(forecast.point, 0.0), np.maximum(forecast.quantiles, 0.0), paths)


def backtest(
    trained: Trained, data: SeriesData, *, horizon: int = 0, origins: int = 0, step: int = 0, refit: bool = True
) -> ForecastScores:
    """Scores of forecasts from rolling origins; a forecast uses only the values before its origin. `origins`: the
    number of last origins of each series; `step`: steps between two of them. 0: the settings of the run."""
    codec: SeriesCodec = trained.codec
    horizon = horizon or codec.horizon
    if origins:
        data = SeriesData(data.panel, np.ones(len(data.panel), np.int64), data.last)
        step = step or 1
    step = step or SeriesRecipe(trained.settings.data).origin_step(data, horizon)
    scores = ForecastScores(LEVELS, codec.period, horizon, data.panel.names)
    pairs = data.origins(horizon, step, origins)
    while block := list(itertools.islice(pairs, _AT_ONCE)):
        histories = [data.panel.history(series, origin) for series, origin in block]
        forecasts = forecast_histories(trained, histories, horizon, refit=refit)
        for (series, origin), forecast in zip(block, forecasts, strict=True):
            values = data.panel.of(series)
            actual = values[origin : origin + horizon]
            scores.add(series, origin, values[:origin], actual, forecast.point, forecast.quantiles)
    if not scores.origins:
        raise RequestError(
            "no series has a whole horizon to forecast", got=f"{int(data.panel.lengths.max())} values in the longest",
            expected=f"more than {horizon}",
        )  # fmt: skip
    return scores


_SHOWN = 6
"""Series on a page: the worst, the best, and some between."""

_MIN_SHOWN = 24
"""The fewest steps of history on a page."""

_ERRORS = 200
"""Steps whose one-step errors are shown."""


def study(trained: Trained, data: SeriesData, **rolling: Any) -> ForecastStudy:
    """The contents of the forecast page; `rolling` are options of `backtest`."""
    scores = backtest(trained, data, **rolling)
    last = {series: origin for series, origin, _, _ in scores.origins}
    ranked = scores.worst_first()
    places = np.unique(np.linspace(0, len(ranked) - 1, min(_SHOWN, len(ranked))).round().astype(int))
    shown = [_series_study(trained, data.panel, ranked[place], last[ranked[place]], scores) for place in places]
    return ForecastStudy(scores.metrics(), scores.by_horizon(), scores.period, shown)


def _series_study(trained: Trained, panel: Panel, series: int, origin: int, scores: ForecastScores) -> SeriesStudy:
    """The forecast from `origin`, and the errors of the last one-step forecasts."""
    values, history, horizon = panel.of(series), panel.history(series, origin), scores.horizon
    (forecast,) = forecast_histories(trained, [history], horizon)
    edges = [forecast.quantiles[:, LEVELS.index(level)] for level in (0.025, 0.975, 0.1, 0.9)]
    begin = max(0, origin - max(3 * horizon, 2 * panel.period, _MIN_SHOWN))
    times = panel.frequency.to_text(panel.starts[series] + np.arange(begin, origin + horizon))
    first = max(2 * panel.period, 8, len(values) - _ERRORS)
    origins = [panel.history(series, step) for step in range(first, len(values))]
    expected = [forecast.point[0] for forecast in forecast_histories(trained, origins, 1, refit=False)]
    explain = getattr(trained.model, "coefficients", None)
    return SeriesStudy(
        panel.names[series], origin, scores.counts[series], times, scores.mase_of(series), values[begin:origin],
        values[origin : origin + horizon], forecast.quantiles[:, MEDIAN], (edges[0], edges[1]), (edges[2], edges[3]),
        values[first:] - np.array(expected), explain(history, horizon) if explain is not None else None,
    )  # fmt: skip


def forecast_rows(
    trained: Trained, panel: Panel, horizon: int = 0, paths: int = 0, seed: int = 1
) -> Iterator[ForecastRow]:
    """The forecast of each series, one row for each step ahead. `mean` is the point forecast."""
    horizon = horizon or trained.codec.horizon
    for first in range(0, len(panel), _AT_ONCE):
        histories = [panel.history(series) for series in range(first, min(first + _AT_ONCE, len(panel)))]
        for history, forecast in zip(
            histories, forecast_histories(trained, histories, horizon, seed=seed + first, paths=paths), strict=True
        ):
            begin = history.start + len(history.values)
            times = panel.frequency.to_text(np.arange(begin, begin + horizon))
            for h, time in enumerate(times):
                samples = None if forecast.paths is None else forecast.paths[:, h]
                yield ForecastRow(history.name, time, float(forecast.point[h]), forecast.quantiles[h], samples)


def anomalies(trained: Trained, panel: Panel, last: int = 0) -> Iterator[Anomaly]:
    """Anomaly scores: of each value that has enough history, or of the `last` values of each series. Models of single
    series keep their coefficients."""
    min_history = max(2 * trained.codec.period, 8)
    for series in range(len(panel)):
        values = panel.of(series)
        first = max(min_history, len(values) - last) if last else min_history
        histories = [panel.history(series, origin) for origin in range(first, len(values))]
        times = panel.frequency.to_text(panel.starts[series] + np.arange(first, len(values)))
        forecasts = forecast_histories(trained, histories, 1, refit=False)
        for time, value, forecast in zip(times, values[first:], forecasts, strict=True):
            quantiles = forecast.quantiles[0]
            below = cumulative(float(value), quantiles)
            yield Anomaly(
                panel.names[series], time, float(value), float(forecast.point[0]), float(quantiles[0]),
                float(quantiles[-1]), 2 * min(below, 1 - below),
            )  # fmt: skip


def cumulative(value: float, quantiles: NDArray[np.float64]) -> float:
    """P(Y <= value) of the distribution with these quantiles; normal between two of them and beyond the last."""
    distinct = np.concatenate([[True], np.diff(quantiles) > 0])
    q, z = quantiles[distinct], DEVIATES[distinct]
    if len(q) < 2:
        return 0.5 if value == q[0] else float(value > q[0])
    place = int(np.clip(np.searchsorted(q, value) - 1, 0, len(q) - 2))
    deviate = z[place] + (value - q[place]) * (z[place + 1] - z[place]) / (q[place + 1] - q[place])
    return 0.5 * math.erfc(-deviate / math.sqrt(2))


def online(trained: Trained) -> Callable[[str], str]:
    """A function from the next value of one series to the forecast of the step after it: the point and the ends of the
    80 % interval, separated by tabs. It begins without any history, and anew at an empty text."""
    known: list[float] = []
    codec: SeriesCodec = trained.codec
    if codec.past or codec.ahead or codec.static:
        raise RequestError("a model with covariates is not used value by value", expected="a table, without --online")

    def answer(text: str) -> str:
        if not text:
            known.clear()
            return ""
        try:
            value = float(text)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise RequestError("a value is not a number", where=f"value {len(known) + 1}", got=text)
        known.append(value)
        none = np.zeros((len(known), 0))
        history = History("", 0, np.array(known), none, none, np.zeros(0))
        forecast = next(forecast_histories(trained, [history], 1, refit=True))
        low, high = forecast.quantiles[0, [LEVELS.index(0.1), LEVELS.index(0.9)]]
        return f"{forecast.point[0]:.6g}\t{low:.6g}\t{high:.6g}"

    return answer
