"""Whether probabilities can be believed: accuracy against probability, and how many answers had each."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from seqloom.charts.axis import Axis, altair_axis
from seqloom.charts.figure import AltairFigure, DataTable
from seqloom.charts.lines import described
from seqloom.metrics.classification import CalibrationBin

_SIDE = 320  # pixels


def reliability_diagram(bins: Sequence[CalibrationBin]) -> AltairFigure:
    """A point for each bin (Guo et al. 2017, figure 4). Where probabilities can be believed, points lie on the
    diagonal; a thick line shows how far each is from it."""
    x, y = (Axis(0.0, 1.0, False, label) for label in ("probability of the answer", "share that was right"))
    across, down = alt.X("probability:Q", **altair_axis(x)), alt.Y("accuracy:Q", **altair_axis(y))
    corners = alt.InlineData(values=[{"probability": end, "accuracy": end} for end in (0, 1)])
    diagonal = alt.Chart(corners).mark_line(color="var(--soft)", strokeDash=[4, 4], strokeWidth=1)
    rows = [{"probability": b.probability, "accuracy": b.accuracy, "about": _about(b)} for b in bins]
    chart = alt.Chart(alt.InlineData(values=rows)).encode(across, down)
    gaps = chart.mark_rule(color="var(--c1)", strokeWidth=3, opacity=0.45).encode(alt.Y2("probability:Q"))
    line = chart.mark_line(color="var(--c0)")
    points = chart.mark_point(color="var(--c0)", size=64).encode(alt.Tooltip("about:N"))
    layers = alt.layer(diagonal.encode(across, down), gaps, line, points).properties(width=_SIDE, height=_SIDE)
    return AltairFigure("reliability", "accuracy against probability", _table(bins), described(layers))


def confidence_histogram(bins: Sequence[CalibrationBin]) -> AltairFigure:
    """How many answers each point of the diagram stands for."""
    x = Axis(0.0, 1.0, False, "probability of the answer")
    y = Axis(0.0, max(b.answers for b in bins) * 1.05, False, "answers")
    rows = [{"probability": b.probability, "answers": b.answers, "about": _about(b)} for b in bins]
    bars = alt.Chart(alt.InlineData(values=rows)).mark_bar(color="var(--c0)", opacity=0.5, size=16)
    chart = bars.encode(
        alt.X("probability:Q", **altair_axis(x)), alt.Y("answers:Q", **altair_axis(y)), alt.Tooltip("about:N")
    )
    label = "how many answers had each probability"
    return AltairFigure("confidence", label, _table(bins), described(chart.properties(width=_SIDE, height=80)))


def _table(bins: Sequence[CalibrationBin]) -> DataTable:
    rows = [[f"{b.probability:.3f}", f"{b.accuracy:.3f}", f"{b.answers:,}"] for b in bins]
    return DataTable(["mean probability", "share that was right", "answers"], rows)


def _about(group: CalibrationBin) -> str:
    return f"{group.answers:,} answers at {group.probability:.2f} on average, {group.accuracy:.1%} right"
