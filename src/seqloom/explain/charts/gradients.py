"""Charts of how far gradients reach, from where those of the weights come, and how steps stretch them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from seqloom.charts.axis import Axis
from seqloom.charts.bars import Bar, bar_chart
from seqloom.charts.lines import Line, line_chart, x_axis, y_axis
from seqloom.explain.charts.layer_names import layer_names
from seqloom.explain.charts.section import MOST_BANDS, Section
from seqloom.explain.measured import Measured
from seqloom.explain.measures.gradient_reach import GradientReach

_SMALLEST, _LARGEST = 1e-20, 1e20
"""Norms beyond are not drawn."""


def reach_charts(runs: Sequence[Measured]) -> Iterator[Section]:
    """A chart for each kind of state."""
    about = (
        "The norm of the gradient of the loss at the last step alone, by how many steps back the state lies; dashed: "
        "before the training."
    )
    limits = (
        "a large gradient need not carry what matters, and a small one may be enough where all examples agree. "
        "Attention and pooling reach every step beside the recurrence."
    )
    for state in dict.fromkeys(reach.state for run in runs for reach in run.reach):
        lines = [line for line in _reach_lines(runs, state) if len(line.points) > 1]
        if lines:
            x = x_axis(lines, "steps back")
            y = y_axis(lines, "norm of the gradient", log=True)
            bands = sum(line.band is not None for line in lines) <= MOST_BANDS
            lines = [_above(y, line) if bands else replace(line, band=None) for line in lines]
            chart = line_chart(f"gradient-reach-{state.replace(' ', '-')}", about, lines, x, y)
            yield Section(f"Gradient reach: {state}", chart, f"{about} {_decays(runs, state)}", limits)


def _decays(runs: Sequence[Measured], state: str) -> str:
    """The fitted decay and the half-life of each layer, before the training and after it."""
    fitted = []
    for run in runs:
        before = {reach.layer: reach for reach in run.reach_before if reach.state == state}
        names = layer_names(run, len(runs) > 1)
        for reach in run.reach:
            if reach.state == state:
                earlier = f"{_decay(before[reach.layer])} before, " if reach.layer in before else ""
                fitted.append(f"{names[reach.layer]} {earlier}{_decay(reach)} after")
    return f"The factor of a step back, as fitted, and the half-life in steps: {'; '.join(fitted)}."


def _decay(reach: GradientReach) -> str:
    if not math.isfinite(reach.decay):
        return "0"
    half = "" if reach.half_life is None else f" ({reach.half_life:{',.0f' if reach.half_life >= 10 else '.2g'}})"
    return f"{reach.decay:.3g}{half}"


def _reach_lines(runs: Sequence[Measured], state: str) -> Iterator[Line]:
    """Of each layer before the training and after it, and Pascanu's bound of a simple recurrent layer."""
    for number, run in enumerate(runs):
        bounds = {dynamics.layer: dynamics.pascanu_bound for dynamics in run.dynamics}
        before = {reach.layer: reach for reach in run.reach_before if reach.state == state}
        names = layer_names(run, len(runs) > 1)
        for place, reach in enumerate(reach for reach in run.reach if reach.state == state):
            name, colour, bound = names[reach.layer], number if len(runs) > 1 else place, bounds.get(reach.layer)
            yield _reach_line(reach, name, colour, dashed=False)
            if reach.layer in before:
                yield _reach_line(before[reach.layer], name, colour, dashed=True)
            if bound is not None:
                points = [(float(lag), reach.mean[0] * bound**lag) for lag in reach.lags]
                points = [point for point in points if _SMALLEST < point[1] < _LARGEST]
                yield Line(f"{name}: Pascanu's bound", points, colour + 4, dashed=True, marks=False)


def _reach_line(reach: GradientReach, name: str, colour: int, dashed: bool) -> Line:
    usable = [lag for lag, norm in zip(reach.lags, reach.mean, strict=True) if norm > _SMALLEST]
    points = [(float(lag), reach.mean[lag]) for lag in usable]
    band = None if dashed else [(max(reach.low[lag], _SMALLEST), max(reach.high[lag], _SMALLEST)) for lag in usable]
    return Line(name, points, colour, band, dashed, marks=False)


def weight_charts(runs: Sequence[Measured]) -> Iterator[Section]:
    """Of the recurrent weights of each layer, and of the only layer of a single run those of the inputs too."""
    lines = []
    for number, run in enumerate(runs):
        names, layers = layer_names(run, len(runs) > 1), list(dict.fromkeys(weight.layer for weight in run.weights))
        alone = len(runs) == len(layers) == 1
        for weight in run.weights:
            if weight.weight != "recurrent weight" and not (alone and weight.weight == "input weight"):
                continue
            summed = np.cumsum(weight.shares).tolist()
            points = [(float(steps), share) for steps, share in enumerate(summed, 1)]
            name = f"{weight.weight}s" if alone else names[weight.layer]
            colour = number if len(runs) > 1 else layers.index(weight.layer)
            lines.append(Line(name, points, colour, dashed=weight.weight != "recurrent weight", marks=False))
    if lines:
        x = x_axis(lines, "last steps", log=True)
        about = (
            "From how far back the gradient of the weights comes, with the loss at the last step alone: the share of "
            "the norms of what each step adds to it, summed from the last step on."
        )
        limits = "the direction: what two steps add may cancel out."
        chart = line_chart("weight-gradients", about, lines, x, Axis.over([0.0, 1.0], "share of the gradient", False))
        yield Section("Gradient of the weights by lag", chart, about, limits)


def _above(y: Axis, line: Line) -> Line:
    """The line with its band cut at the axis: the lowest percentiles may lie far below the means."""
    band = None if line.band is None else [(max(low, y.low), max(high, y.low)) for low, high in line.band]
    return replace(line, band=band)


def dynamics_charts(runs: Sequence[Measured]) -> Iterator[Section]:
    lines, bars = [], []
    for number, run in enumerate(runs):
        names = layer_names(run, len(runs) > 1)
        for place, part in enumerate(run.dynamics):
            name, colour = names[part.layer], number if len(runs) > 1 else place
            values = [(float(t), v) for t, v in enumerate(part.singular_values, 1) if math.isfinite(v)]
            lines.append(Line(name, values, colour, marks=False))
            bars += [Bar(f"{name}, {i}", value, colour) for i, value in enumerate(part.exponents[:4], 1)]
    if lines:
        x = x_axis(lines, "steps")
        y = y_axis(lines, "singular value", also=[1.0])
        about = "The largest singular value of each step's Jacobian: the most that the step can stretch a gradient."
        limits = "the direction that is stretched changes from step to step, so their product is an upper bound."
        yield Section("Stretching of a step", line_chart("singular-values", about, lines, x, y), about, limits)
        about = "Lyapunov exponents: above 0, nearly equal states part and gradients explode; far below 0, they vanish."
        limits = "other sequences may differ; it is the mean along one."
        yield Section("Lyapunov exponents", bar_chart("exponents", about, bars, "nats per step"), about, limits)
