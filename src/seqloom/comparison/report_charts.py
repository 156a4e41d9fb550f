"""The charts of a report: learning curves, quality against each cost with its Pareto front, differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from seqloom.charts.axis import Axis
from seqloom.charts.bars import Bar, bar_chart
from seqloom.charts.figure import Figure
from seqloom.charts.lines import Line, line_chart
from seqloom.charts.scatter import Point, scatter_chart
from seqloom.comparison.differences import Difference
from seqloom.comparison.scoreboard import Row


class Cost(NamedTuple):
    """What a model costs: `name` is that of the chart's file; `of` is None where it was not measured."""

    name: str
    title: str
    label: str
    of: Callable[[Row], float | None]


COSTS = (
    Cost("time", "Training time", "minutes of training", lambda row: row.seconds / 60),
    Cost("size", "Size", "parameters", lambda row: float(row.parameters)),
    Cost("memory", "Memory", "MB of peak memory", lambda row: row.peak_memory_bytes / 1e6),
    Cost("latency", "Online latency", "ms per token, online", lambda row: row.online_milliseconds),
    Cost("energy", "Energy", "processor seconds of training", lambda row: row.processor_seconds),
)


def cost_charts(
    rows: Sequence[Row], colours: Mapping[str, int], y_label: str, lower_is_better: bool
) -> dict[Cost, Figure]:
    """Quality against each cost that was measured of two models or more."""
    charts = {}
    for cost in COSTS:
        costs = {row.model: value for row in rows if (value := cost.of(row)) is not None and value > 0}
        if len(costs) > 1 or (costs and cost.name == "size"):
            charts[cost] = _cost_chart(cost, costs, rows, colours, y_label, lower_is_better)
    return charts


def pareto_front(costs: Mapping[str, float], scores: Mapping[str, float], lower_is_better: bool) -> list[str]:
    """The models that no other model beats in both, in the order of their costs."""
    front: list[str] = []
    for model in sorted(costs, key=lambda m: (costs[m], scores[m] if lower_is_better else -scores[m])):
        best = scores[front[-1]] if front else None
        if best is None or (scores[model] < best if lower_is_better else scores[model] > best):
            front.append(model)
    return front


def _cost_chart(
    cost: Cost,
    costs: Mapping[str, float],
    rows: Sequence[Row],
    colours: Mapping[str, int],
    y_label: str,
    lower_is_better: bool,
) -> Figure:
    # Of a score that is never negative, the part of an interval below 0 means nothing; of a share, that above 1.
    least = 0.0 if all(row.score.mean >= 0 for row in rows) else -math.inf
    most = 1.0 if not lower_is_better and all(score <= 1 for row in rows for score in row.scores) else math.inf
    points = []
    for row in (row for row in rows if row.model in costs):
        mean, half = row.score
        low = None if half is None else max(mean - half, least)
        high = None if half is None else min(mean + half, most)
        points.append(Point(row.model, costs[row.model], mean, colours[row.model], low, high))
    values = [point.x for point in points]
    # Costs that are nearly equal stand close together.
    room = [0.9 * min(values), 1.1 * max(values)]
    x = Axis.over(room, cost.label, log=max(values) > 3 * min(values))
    y = Axis.over([end for p in points for end in (p.y, p.low, p.high) if end is not None], y_label, log=False)
    front = pareto_front(costs, {row.model: row.score.mean for row in rows}, lower_is_better)
    label = f"{y_label}, against {x.label}; on the Pareto front: {', '.join(front)}"
    return scatter_chart(cost.name, label, points, x, y, front)


def learning_curves(rows: Sequence[Row], colours: Mapping[str, int], y_label: str) -> Figure:
    """The validation score against the time of training, a line for each seed of each model."""
    lines = [Line(row.model, curve, colours[row.model]) for row in rows for curve in row.curves]
    seconds, scores = zip(*(point for line in lines for point in line.points), strict=True)
    unit, length = ("minutes", 60.0) if max(seconds) >= 180 else ("seconds", 1.0)
    x = Axis(0.0, max(max(seconds) / length, 1e-9) * 1.01, False, f"{unit} of training")
    y = Axis.over(scores, y_label, log=min(scores) > 0 and max(scores) > max(3 * min(scores), 1.0))
    lines = [replace(line, points=[(second / length, score) for second, score in line.points]) for line in lines]
    return line_chart("learning", f"{y_label}, against {x.label}", lines, x, y)


def difference_chart(differences: Sequence[Difference], colours: Mapping[str, int], score: str) -> Figure:
    bars = [Bar(d.model, d.difference, colours[d.model], d.low, d.high) for d in differences]
    return bar_chart(
        "differences", f"how far each model is behind the first, {score}", bars, f"{score}, behind the first"
    )
