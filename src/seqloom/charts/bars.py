"""Bars with names at their left, and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import ArrayLike

from seqloom.charts.axis import Axis, altair_axis
from seqloom.charts.figure import WIDTH, AltairFigure, DataTable
from seqloom.charts.lines import described
from seqloom.charts.theme import series_colour

_BAR_HEIGHT = 26
_HISTOGRAM_HEIGHT = 140


@dataclass(frozen=True)
class Bar:
    """`low` and `high` are the ends of its interval, where it has one."""

    name: str
    value: float
    colour: int = 0
    low: float | None = None
    high: float | None = None


def bar_chart(name: str, label: str, bars: Sequence[Bar], x_label: str, also: Sequence[float] = ()) -> AltairFigure:
    """A bar for each name, in the order given, from 0 to its value; the values stand at the ends. The axis holds the
    values `also`."""
    ends = [0.0, *also, *(value for bar in bars for value in (bar.value, bar.low, bar.high) if value is not None)]
    x = Axis.over(ends, x_label, log=False)
    across = alt.X("value:Q", **altair_axis(x))
    order = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelColor="var(--ink)", labelLimit=200))
    rows = [_row(bar) for bar in bars]
    base = alt.Chart(alt.InlineData(values=rows)).encode(order)
    colour = alt.Color("colour:N", scale=None)
    layers = [base.mark_bar(cornerRadiusEnd=2, height={"band": 0.62}).encode(across, colour, alt.Tooltip("about:N"))]
    if any(bar.low is not None for bar in bars):
        interval = base.transform_filter("isValid(datum.low)").mark_rule(color="var(--ink)", strokeWidth=1.6)
        layers.append(interval.encode(alt.X("low:Q", **altair_axis(x)), alt.X2("high:Q")))
    text = base.mark_text(align="left", dx=7).encode(alt.X("end:Q", **altair_axis(x)), alt.Text("shown:N"))
    chart = alt.layer(*layers, text).properties(width=WIDTH - 200, height=max(_BAR_HEIGHT * len(bars), _BAR_HEIGHT))
    table = DataTable(
        ["", x_label, "low", "high"],
        [[bar.name, *("" if v is None else f"{v:.5g}" for v in (bar.value, bar.low, bar.high))] for bar in bars],
    )
    return AltairFigure(name, label, table, described(chart))


def _row(bar: Bar) -> dict[str, Any]:
    interval = f" ({bar.low:.4g} to {bar.high:.4g})" if bar.low is not None and bar.high is not None else ""
    return {
        "name": bar.name,
        "value": bar.value,
        "low": bar.low,
        "high": bar.high,
        "end": max(bar.value, bar.high if bar.high is not None else bar.value, 0.0),
        "shown": f"{bar.value:.4g}",
        "colour": series_colour(bar.colour),
        "about": f"{bar.name}: {bar.value:.5g}{interval}",
    }


def histogram(
    name: str, label: str, counts: ArrayLike, edges: ArrayLike, x_label: str, y_label: str = "how many"
) -> AltairFigure:
    """`counts` between `edges`, of which there is one more, as `numpy.histogram` gives them."""
    heights, borders = np.asarray(counts, dtype=np.float64).tolist(), np.asarray(edges, dtype=np.float64).tolist()
    x = Axis(borders[0], borders[-1], False, x_label)
    y = Axis(0.0, max([*heights, 1.0]) * 1.05, False, y_label)
    rows = [
        {"low": low, "high": high, "count": count, "about": f"{low:.4g} to {high:.4g}: {count:,.10g}"}
        for low, high, count in zip(borders, borders[1:], heights, strict=False)
    ]
    across, down = alt.X("low:Q", **altair_axis(x)), alt.Y("count:Q", **altair_axis(y))
    bars = alt.Chart(alt.InlineData(values=rows)).mark_bar(color="var(--c0)", opacity=0.55, stroke="var(--paper)")
    chart = bars.encode(across, alt.X2("high:Q"), down, alt.Y2Datum(0), alt.Tooltip("about:N"))
    table = DataTable(
        ["from", "to", y_label], [[f"{row['low']:.4g}", f"{row['high']:.4g}", f"{row['count']:,.10g}"] for row in rows]
    )
    return AltairFigure(name, label, table, described(chart.properties(width=WIDTH - 120, height=_HISTOGRAM_HEIGHT)))
