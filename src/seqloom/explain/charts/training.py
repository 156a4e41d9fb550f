"""The chart of the losses along the training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from seqloom.charts.lines import Line, line_chart, x_axis, y_axis
from seqloom.explain.charts.section import Section
from seqloom.explain.measured import Measured


def training_charts(runs: Sequence[Measured]) -> Iterator[Section]:
    lines = []
    for number, run in enumerate(runs):
        if run.health is not None and len(run.health.updates) > 1:
            for dashed, values in ((True, run.health.train), (False, run.health.valid)):
                name = f"{run.name} {'training' if dashed else 'validation'}"
                points = [(float(u), v) for u, v in zip(run.health.updates, values, strict=True) if math.isfinite(v)]
                lines.append(Line(name, points, 2 * number + dashed, dashed=dashed))
    if lines:
        x = x_axis(lines, "updates")
        y = y_axis(lines, "loss per target")
        about = "The running training loss and the validation loss along the training."
        limits = "the training loss has dropout in it, so that it may lie above the validation loss."
        yield Section("Training", line_chart("training", about, lines, x, y), about, limits)
