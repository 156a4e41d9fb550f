"""Charts of gates, of the time scales of units, and of attention heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seqloom.charts.axis import Axis
from seqloom.charts.bars import Bar, bar_chart
from seqloom.charts.lines import Line, line_chart, x_axis, y_axis
from seqloom.charts.scatter import Point, scatter_chart
from seqloom.explain.charts.layer_names import block_number, layer_names
from seqloom.explain.charts.section import MOST_BARS, Section
from seqloom.explain.measured import Measured


def state_charts(runs: Sequence[Measured]) -> Iterator[Section]:
    bars, lines, points = [], [], []
    several = sum(bool(run.heads) for run in runs) > 1
    for number, run in enumerate(runs):
        names = layer_names(run, len(runs) > 1)
        for place, gates in enumerate(run.gates):
            name, colour = names[gates.layer], number if len(runs) > 1 else place
            for gate in gates.closed:
                short = f"{name} {gate.removesuffix(' gate')}"
                bars.append(Bar(f"{short} closed", gates.closed[gate], colour))
                bars.append(Bar(f"{short} open", gates.open[gate], colour))
            if gates.saturated is not None:
                bars.append(Bar(f"{name} saturated", gates.saturated, colour))
            if gates.dead is not None:
                bars.append(Bar(f"{name} dead", gates.dead, colour))
            if gates.time_scales:
                ranks = enumerate(gates.time_scales, 1)
                lines.append(Line(name, [(float(i), v) for i, v in ranks], colour, marks=False))
        for head in run.heads:
            name = f"{block_number(head.layer)}.{head.head + 1}"
            points.append(Point(f"{run.name} {name}" if several else name, head.distance, head.entropy, number))
    if bars:
        about = (
            "The share of gate values below 0.05 (closed) and above 0.95 (open), of values of tanh near 1, and of ReLU "
            "units that are always zero."
        )
        limits = "a gate may be open for good reason; only one that never moves is lost."
        figure = bar_chart("saturation", about, bars[:MOST_BARS], "share of the values", also=[1.0])
        yield Section("Saturation", figure, about, limits)
    if lines:
        x = x_axis(lines, "units, sorted", log=True)
        y = y_axis(lines, "steps", log=True)
        about = "The time scale 1 / (1 - f) of each unit, f the mean of the gate that keeps its state."
        limits = "whether what a unit keeps is used."
        yield Section("Time scales", line_chart("time-scales", about, lines, x, y), about, limits)
    if points:
        x = Axis.over([p.x for p in points], "mean distance", log=False)
        y = Axis.over([p.y for p in points], "entropy, nats", log=False)
        about = "Each attention head (block.head): how far from its query it looks, and how widely."
        limits = "what is attended to need not matter to the output; the next chart weighs that."
        yield Section("Attention heads", scatter_chart("heads", about, points, x, y), about, limits)
