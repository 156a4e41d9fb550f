"""Named points with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from seqloom.charts.axis import Axis, altair_axis, shown
from seqloom.charts.figure import WIDTH, AltairFigure, DataTable
from seqloom.charts.lines import HEIGHT, described
from seqloom.charts.names import NAME_SIZE, NARROW, Box, free_offset, name_width
from seqloom.charts.theme import series_colour, series_shape


@dataclass(frozen=True)
class Point:
    """`low` and `high` are the ends of the interval of y, where it has one."""

    name: str
    x: float
    y: float
    colour: int = 0
    low: float | None = None
    high: float | None = None


def scatter_chart(
    name: str, label: str, points: Sequence[Point], x: Axis, y: Axis, front: Sequence[str] = ()
) -> AltairFigure:
    """`front`: the names of the points that a dashed line joins, in the order of x."""
    across, down = alt.X("x:Q", **altair_axis(x)), alt.Y("y:Q", **altair_axis(y))
    layers: list[alt.Chart] = []
    joined = sorted((point for point in points if point.name in front), key=lambda point: point.x)
    if joined:
        line = alt.Chart(alt.InlineData(values=[{"x": point.x, "y": point.y} for point in joined])).encode(across, down)
        layers.append(line.mark_line(interpolate="step-after", strokeDash=[4, 4], color="var(--soft)", opacity=0.7))
    occupied: list[Box] = [_around(point, x, y) for point in points]
    for point in points:
        layers += _drawn(point, x, y, across, down, occupied)
    chart = alt.layer(*layers).properties(width=WIDTH - 120, height=HEIGHT)
    return AltairFigure(name, label, _table(points, x, y), described(chart))


def _drawn(point: Point, x: Axis, y: Axis, across: alt.X, down: alt.Y, occupied: list[Box]) -> list[alt.Chart]:
    """The interval, the point and its name."""
    colour, interval = series_colour(point.colour), ""
    if point.low is not None and point.high is not None:
        interval = f" ({point.low:.4g} to {point.high:.4g})"
    about = f"{point.name}: {point.y:.4g}{interval} {y.label}, {shown(point.x)} {x.label}"
    row = {"x": point.x, "y": point.y, "low": point.low, "high": point.high, "name": point.name, "about": about}
    chart = alt.Chart(alt.InlineData(values=[row])).encode(across, down)
    layers = []
    if interval:
        ends = {"y": alt.Y("low:Q", **altair_axis(y)), "y2": alt.Y2("high:Q")}
        layers.append(chart.mark_rule(color=colour, strokeWidth=1.6).encode(**ends))
        layers += [
            chart.mark_tick(color=colour, thickness=1.6, size=10, orient="horizontal").encode(
                alt.Y(end, **altair_axis(y))
            )
            for end in ("low:Q", "high:Q")
        ]
    dot = chart.mark_point(size=95, color=colour, shape=series_shape(point.colour))
    layers.append(dot.encode(alt.Tooltip("about:N")))
    place = (x.share(point.x) * NARROW, (1 - y.share(point.y)) * HEIGHT)
    dx, dy = free_offset(*place, point.name, occupied, NARROW + name_width(point.name) + 14, float(HEIGHT))
    written: dict[str, Any] = {"align": "left", "dx": dx, "dy": dy, "fontWeight": 600, "fontSize": NAME_SIZE}
    halo = chart.mark_text(**written, color="var(--paper)", stroke="var(--paper)", strokeWidth=4)
    text = chart.mark_text(**written, color=colour)
    return [*layers, halo.encode(text="name:N"), text.encode(text="name:N")]


def _around(point: Point, x: Axis, y: Axis) -> Box:
    left, top = x.share(point.x) * NARROW, (1 - y.share(point.y)) * HEIGHT
    return left - 7, top - 7, left + 7, top + 7


def _table(points: Sequence[Point], x: Axis, y: Axis) -> DataTable:
    rows = [
        [
            point.name,
            f"{point.x:,.6g}",
            f"{point.y:.5g}",
            *("" if end is None else f"{end:.5g}" for end in (point.low, point.high)),
        ]
        for point in points
    ]
    return DataTable(["", x.label, y.label, "low", "high"], rows)
