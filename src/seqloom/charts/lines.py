"""Lines along an axis, with bands for intervals; each is named at its end."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from seqloom.charts.axis import Axis, altair_axis
from seqloom.charts.figure import WIDTH, AltairFigure, DataTable
from seqloom.charts.names import NAME_SIZE, NARROW, Box, free_offset, name_width, spread
from seqloom.charts.theme import altair_config, series_colour, series_shape

HEIGHT = 300
"""Pixels of the plot."""

_RULE_ROWS = 4
_SIZE = alt.Size("size:Q", scale=None, legend=None)

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """`points` are (x, y) in the order of x. Lines of one name, as one for each seed, have one colour and one label.

    `band`: at each point the (low, high) of an interval. `colour`: the number of the series in the page's palette.
    """

    name: str
    points: Points
    colour: int = 0
    band: Points | None = None
    dashed: bool = False
    marks: bool = True


def x_axis(lines: Sequence[Line], label: str, log: bool = False) -> Axis:
    """An axis that holds the x of every point."""
    return Axis.over([x for line in lines for x, _ in line.points], label, log)


def y_axis(lines: Sequence[Line], label: str, log: bool = False, also: Sequence[float] = ()) -> Axis:
    """An axis that holds the y of every point, and the values `also`."""
    return Axis.over([*also, *(y for line in lines for _, y in line.points)], label, log)


def line_chart(
    name: str, label: str, lines: Sequence[Line], x: Axis, y: Axis, rules: Sequence[tuple[float, str]] = ()
) -> AltairFigure:
    """`rules` are dashed vertical lines at an x, each with what it says."""
    lines = [line for line in lines if line.points]
    rows = [row for number, line in enumerate(lines) for row in _rows(line, number, x, y)]
    ends = _names(lines, x, y)
    across, down = alt.X("x:Q", **altair_axis(x)), alt.Y("y:Q", **altair_axis(y))
    base = alt.Chart(alt.InlineData(values=rows)).encode(across, down, _colour(lines), alt.Detail("line:N"))
    layers: list[alt.Chart | alt.LayerChart] = []
    if any(line.band for line in lines):
        band = base.transform_filter("isValid(datum.low)").mark_area(opacity=0.18, clip=True)
        layers.append(band.encode(alt.Y("low:Q", **altair_axis(y)), alt.Y2("high:Q")))
    layers += [_rule(place, text, across, number % _RULE_ROWS) for number, (place, text) in enumerate(sorted(rules))]
    dash = alt.StrokeDash("dashed:N", scale=alt.Scale(domain=[False, True], range=[[1, 0], [5, 4]]), legend=None)
    layers.append(base.mark_line(opacity=0.85).encode(dash))
    marked = base.transform_filter("datum.marks").mark_point().encode(_shape(lines), _SIZE)
    # The second, which is not seen, is larger and so easier to point at.
    layers += [
        marked,
        base.transform_filter("datum.marks").mark_point(size=300, opacity=0).encode(alt.Tooltip("about:N")),
    ]
    layers += [_label(end, lines, across) for end in ends]
    chart = alt.layer(*layers).properties(width=WIDTH - 120, height=HEIGHT)
    return AltairFigure(name, label, _table(lines, x, y), described(chart))


def described(chart: alt.Chart | alt.LayerChart | alt.FacetChart) -> dict[str, Any]:
    """The Vega-Lite description of a chart in the page's look."""
    return {**chart.to_dict(), "config": altair_config()}


def _rows(line: Line, number: int, x: Axis, y: Axis) -> list[dict[str, Any]]:
    bands: Sequence[tuple[float | None, float | None]] = line.band or [(None, None)] * len(line.points)
    return [
        {
            "line": number,
            "name": line.name,
            "x": across,
            "y": up,
            "low": low,
            "high": high,
            "dashed": line.dashed,
            "marks": line.marks,
            "size": 22 if len(line.points) > 1 else 60,  # a point without a line is to be seen too
            "about": f"{line.name}: {up:.4g} {y.label} at {x.text(across)} {x.label}",
        }
        for (across, up), (low, high) in zip(line.points, bands, strict=True)
    ]


def _series(lines: Sequence[Line]) -> dict[str, int]:
    return {line.name: line.colour for line in lines}


def _colour(lines: Sequence[Line]) -> alt.Color:
    series = _series(lines)
    colours = [series_colour(number) for number in series.values()]
    return alt.Color("name:N", scale=alt.Scale(domain=list(series), range=colours), legend=None)


def _shape(lines: Sequence[Line]) -> alt.Shape:
    series = _series(lines)
    shapes = [series_shape(number) for number in series.values()]
    return alt.Shape("name:N", scale=alt.Scale(domain=list(series), range=shapes), legend=None)


def _rule(place: float, words: str, across: alt.X, row: int) -> alt.LayerChart:
    """`row`: how many lines below the top its words stand, so that those of neighbours do not cover each other."""
    data = alt.Chart(alt.InlineData(values=[{"x": place, "about": words}])).encode(across)
    text = data.mark_text(align="left", dx=5, baseline="top", color="var(--soft)").encode(
        y=alt.value(NAME_SIZE * 1.3 * row), text="about:N"
    )
    return data.mark_rule(strokeDash=[4, 4]) + text


def _names(lines: Sequence[Line], x: Axis, y: Axis) -> list[dict[str, Any]]:
    """For each name the place in pixels where it stands. A single point in the first half, as that of a model that is
    fitted at once, is named there; lines are named in the margin, moved apart."""
    ends = {}
    for name in _series(lines):
        last = [line.points[-1] for line in lines if line.name == name]
        end, height = max(place for place, _ in last), statistics.fmean(up for _, up in last)
        ends[name] = (end, (1 - y.share(height)) * HEIGHT)
    points = {name for name in ends if all(len(line.points) == 1 for line in lines if line.name == name)}
    early = {name for name in points if x.share(ends[name][0]) < 0.5}
    margin = [name for name in ends if name not in early]
    moved = dict(zip(margin, spread([ends[name][1] for name in margin], float(HEIGHT)), strict=True))
    occupied: list[Box] = []
    labels = []
    for name, (end, height) in ends.items():
        label_height = moved.get(name, height)
        if name in early:
            places = x.share(end) * NARROW, height
            label_height += free_offset(*places, name, occupied, NARROW + name_width(name), float(HEIGHT))[1]
        labels.append({"name": name, "x": end, "height": label_height, "early": name in early})
    return labels


def _label(end: dict[str, Any], lines: Sequence[Line], across: alt.X) -> alt.Chart:
    text = alt.Chart(alt.InlineData(values=[end])).mark_text(align="left", dx=9, fontWeight=600, fontSize=NAME_SIZE)
    place = across if end["early"] else alt.value("width")
    return text.encode(x=place, y=alt.value(end["height"]), text="name:N", color=_colour(lines))


def _table(lines: Sequence[Line], x: Axis, y: Axis) -> DataTable:
    bands = any(line.band for line in lines)
    rows = []
    for line in lines:
        name = f"{line.name}, dashed" if line.dashed else line.name
        for number, (across, up) in enumerate(line.points):
            low, high = line.band[number] if line.band else (None, None)
            interval = ["" if low is None else f"{low:.4g}", "" if high is None else f"{high:.4g}"] if bands else []
            rows.append([name, x.text(across), f"{up:.5g}", *interval])
    return DataTable(["", x.label, y.label, *(["low", "high"] if bands else [])], rows)
