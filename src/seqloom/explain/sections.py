"""The charts of an explanation, each with what it shows and what it cannot tell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from seqloom.charts.axis import Axis
from seqloom.charts.bars import Bar, bar_chart
from seqloom.charts.figure import Figure
from seqloom.charts.lines import Line, line_chart
from seqloom.charts.scatter import Point, scatter_chart
from seqloom.explain.alignments import alignment_figure
from seqloom.explain.measured import Measured
from seqloom.explain.measures.gradient_reach import GradientReach
from seqloom.explain.results import Results

_MOST_BARS, _MOST_CLASSES = 40, 20


class Section(NamedTuple):
    """`about`: what the figure shows. `limits`: what it cannot tell."""

    title: str
    figure: Figure
    about: str
    limits: str


def sections(explanation: Results) -> Iterator[Section]:
    runs = explanation.measured
    yield from _memory(runs)
    yield from _reach(runs)
    yield from _weights(runs)
    yield from _dynamics(runs)
    yield from _inside(runs)
    yield from _example(runs)
    yield from _health(runs)
    yield from _counted(explanation)


def _memory(runs: Sequence[Measured]) -> Iterator[Section]:
    curves = [(number, run, run.curve) for number, run in enumerate(runs) if run.curve is not None]
    if curves:
        lines, flat = [], dict[int, list[str]]()
        for number, run, curve in curves:
            points = [(float(k), v) for k, v in zip(curve.contexts, curve.loss, strict=True) if k > 0]
            band = [(a, b) for k, a, b in zip(curve.contexts, curve.low, curve.high, strict=True) if k > 0]
            lines.append(Line(run.name, points, number, band))
            if curve.memory_length > 0:
                flat.setdefault(curve.memory_length, []).append(run.name)
        unit, score = curves[0][2].unit, curves[0][2].score
        x = Axis.over([p[0] for line in lines for p in line.points], f"{unit} of context", log=True)
        y = Axis.over([e for line in lines for pair in line.band or [] for e in pair], score, log=False)
        rules = [(float(length), f"{', '.join(names)}: {length}") for length, names in flat.items()]
        about = (
            "The loss as the context is cut to its last elements, with a 95 % interval of the mean. The dashed lines "
            "stand where a curve becomes flat: 95 % of what context gives is reached there."
        )
        limits = (
            "a model that was never trained on short contexts may lose more by the cut itself than by what was cut "
            "away. The curve shows what this model uses; what the data hold is at least what the best model uses."
        )
        yield Section("Memory length", line_chart("memory", about, lines, x, y, rules), about, limits)
    yield from _by_length(runs)
    dependence = next((run.dependence for run in runs if run.dependence is not None), None)
    if dependence is not None:
        lines = [Line("the text", list(zip(map(float, dependence.lags), dependence.information, strict=True)))]
        x = Axis.over([float(lag) for lag in dependence.lags], "tokens between", log=True)
        about = "How much two tokens tell of each other by the distance between them, whatever the model."
        limits = "what three or more tokens say together; rare tokens, which are taken as one."
        figure = line_chart("dependence", about, lines, x, Axis.over(dependence.information, "nats", False))
        yield Section("What the data hold", figure, about, limits)


def _by_length(runs: Sequence[Measured]) -> Iterator[Section]:
    measured = [(n, run, run.by_length) for n, run in enumerate(runs) if run.by_length is not None]
    if measured:
        lines = [Line(r.name, list(zip(b.lengths, b.loss, strict=True)), n) for n, r, b in measured]
        x = Axis.over([p[0] for line in lines for p in line.points], "tokens of the source", log=False)
        y = Axis.over([p[1] for line in lines for p in line.points], "nats a target token", log=False)
        about = "The loss of a target token by the length of its source, in groups of equal size."
        limits = "whether long sources are harder in themselves: compare with a run that has attention."
        yield Section("Bottleneck by length", line_chart("by-length", about, lines, x, y), about, limits)


_MOST_BANDS = 3
"""From the 10th to the 90th percentile of the norms; more of them hide each other."""

_SMALLEST, _LARGEST = 1e-20, 1e20
"""Norms beyond are not drawn."""


def _reach(runs: Sequence[Measured]) -> Iterator[Section]:
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
            x = Axis.over([p[0] for line in lines for p in line.points], "steps back", log=False)
            y = Axis.over([p[1] for line in lines for p in line.points], "norm of the gradient", log=True)
            bands = sum(line.band is not None for line in lines) <= _MOST_BANDS
            lines = [_above(y, line) if bands else replace(line, band=None) for line in lines]
            chart = line_chart(f"gradient-reach-{state.replace(' ', '-')}", about, lines, x, y)
            yield Section(f"Gradient reach: {state}", chart, about, limits)


def _reach_lines(runs: Sequence[Measured], state: str) -> Iterator[Line]:
    """Of each layer before the training and after it, and Pascanu's bound of a simple recurrent layer."""
    for number, run in enumerate(runs):
        bounds = {dynamics.layer: dynamics.pascanu_bound for dynamics in run.dynamics}
        before = {reach.layer: reach for reach in run.reach_before if reach.state == state}
        names = _layer_names(run, len(runs) > 1)
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


def _weights(runs: Sequence[Measured]) -> Iterator[Section]:
    """Of the recurrent weights of each layer, and of the only layer of a single run those of the inputs too."""
    lines = []
    for number, run in enumerate(runs):
        names, layers = _layer_names(run, len(runs) > 1), list(dict.fromkeys(weight.layer for weight in run.weights))
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
        x = Axis.over([p[0] for line in lines for p in line.points], "last steps", log=True)
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


def _layer_names(run: Measured, several: bool) -> dict[str, str]:
    """A name on charts for each recurrent layer of a run: the run's, and what tells its layers from each other. The
    run's name stands alone where it has one layer, and is left out where it is the only run and has more."""
    layers = list(dict.fromkeys([*(r.layer for r in run.reach), *(g.layer for g in run.gates)]))
    words = {layer: [_word(part) for part in layer.split(".") if part not in _STRUCTURE] for layer in layers}
    shared = set.intersection(*map(set, words.values())) if words else set()
    names = {layer: " ".join(word for word in words[layer] if word not in shared) for layer in layers}
    if len(set(names.values())) < len(layers):
        names = {layer: layer for layer in layers}
    return {layer: f"{run.name} {name}".strip() if several or not name else name for layer, name in names.items()}


_STRUCTURE = ("layer", "stack")
"""Parts of the names of modules that tell a reader nothing."""


def _word(part: str) -> str:
    return f"layer {int(part) + 1}" if part.isdigit() else part.removesuffix("_layer")


def _dynamics(runs: Sequence[Measured]) -> Iterator[Section]:
    lines, bars = [], []
    for number, run in enumerate(runs):
        names = _layer_names(run, len(runs) > 1)
        for part in run.dynamics:
            name = names[part.layer]
            values = [(float(t), v) for t, v in enumerate(part.singular_values, 1) if math.isfinite(v)]
            lines.append(Line(name, values, number, marks=False))
            bars += [Bar(f"{name}, {i}", value, number) for i, value in enumerate(part.exponents[:4], 1)]
    if lines:
        x = Axis.over([p[0] for line in lines for p in line.points], "steps", log=False)
        y = Axis.over([p[1] for line in lines for p in line.points] + [1.0], "singular value", log=False)
        about = "The largest singular value of each step's Jacobian: the most that the step can stretch a gradient."
        limits = "the direction that is stretched changes from step to step, so their product is an upper bound."
        yield Section("Stretching of a step", line_chart("singular-values", about, lines, x, y), about, limits)
        about = "Lyapunov exponents: above 0, nearly equal states part and gradients explode; far below 0, they vanish."
        limits = "other sequences may differ; it is the mean along one."
        yield Section("Lyapunov exponents", bar_chart("exponents", about, bars, "nats a step"), about, limits)


def _inside(runs: Sequence[Measured]) -> Iterator[Section]:
    bars, lines, points = [], [], []
    several = sum(bool(run.heads) for run in runs) > 1
    for number, run in enumerate(runs):
        names = _layer_names(run, len(runs) > 1)
        for gates in run.gates:
            name = names[gates.layer]
            for gate in gates.closed:
                bars.append(Bar(f"{name} {gate} closed", gates.closed[gate], number))
                bars.append(Bar(f"{name} {gate} open", gates.open[gate], number))
            if gates.saturated is not None:
                bars.append(Bar(f"{name} saturated", gates.saturated, number))
            if gates.dead is not None:
                bars.append(Bar(f"{name} dead", gates.dead, number))
            if gates.time_scales:
                ranks = enumerate(gates.time_scales, 1)
                lines.append(Line(name, [(float(i), v) for i, v in ranks], number, marks=False))
        for head in run.heads:
            block = ".".join(str(int(part) + 1) for part in head.layer.split(".") if part.isdigit())
            name = f"{block}.{head.head + 1}"
            points.append(Point(f"{run.name} {name}" if several else name, head.distance, head.entropy, number))
    if bars:
        about = (
            "The share of gate values below 0.05 (closed) and above 0.95 (open), of tanh units near 1, of dead ones."
        )
        limits = "a gate may be open for good reason; only one that never moves is lost."
        yield Section(
            "Saturation", bar_chart("saturation", about, bars[:_MOST_BARS], "share of the values"), about, limits
        )
    if lines:
        x = Axis.over([p[0] for line in lines for p in line.points], "units, sorted", log=True)
        y = Axis.over([p[1] for line in lines for p in line.points], "steps", log=True)
        about = "The time scale 1 / (1 - f) of each unit, f the mean of the gate that keeps its state."
        limits = "whether what a unit keeps is used."
        yield Section("Time scales", line_chart("time-scales", about, lines, x, y), about, limits)
    if points:
        x = Axis.over([p.x for p in points], "mean distance", log=False)
        y = Axis.over([p.y for p in points], "entropy, nats", log=False)
        about = "Each attention head (block.head): how far from its query it looks, and how widely."
        limits = "what is attended to need not matter to the output; the next chart weighs that."
        yield Section("Attention heads", scatter_chart("heads", about, points, x, y), about, limits)


def _example(runs: Sequence[Measured]) -> Iterator[Section]:
    for number, run in enumerate(runs):
        if run.attribution is not None:
            weights, names = run.attribution.weights, run.attribution.names
            strongest = np.argsort(-np.abs(weights), kind="stable")[:_MOST_BARS].tolist()
            bars = [Bar(f"{i + 1} {names[i]}", weights[i], number) for i in sorted(strongest)]
            about = (
                f"What each input adds to {run.attribution.output}, by integrated gradients. Together "
                f"{run.attribution.difference:.4g}; the sum is within {run.attribution.error:.2%} of it."
            )
            limits = "inputs that matter only together are weighed each by a share of what they do."
            title = "Which inputs mattered" + (f": {run.name}" if len(runs) > 1 else "")
            yield Section(title, bar_chart(f"inputs-{number + 1}", about, bars, "added to the score"), about, limits)
    for number, run in enumerate(runs):
        if run.alignment is not None:
            about = (
                "The attention of each token that is written (rows) to those that are read (columns), by greedy "
                "search: the stronger the colour, the more attention."
            )
            limits = "what is attended to need not matter, and a state holds what lies around its token too."
            title = "Alignment" + (f": {run.name}" if len(runs) > 1 else "")
            yield Section(title, alignment_figure(run.alignment, f"alignment-{number + 1}"), about, limits)


def _health(runs: Sequence[Measured]) -> Iterator[Section]:
    lines = []
    for number, run in enumerate(runs):
        if run.health is not None and len(run.health.updates) > 1:
            for dashed, values in ((True, run.health.train), (False, run.health.valid)):
                name = f"{run.name} {'training' if dashed else 'validation'}"
                points = [(float(u), v) for u, v in zip(run.health.updates, values, strict=True) if math.isfinite(v)]
                lines.append(Line(name, points, 2 * number + dashed, dashed=dashed))
    if lines:
        x = Axis.over([p[0] for line in lines for p in line.points], "updates", log=False)
        y = Axis.over([p[1] for line in lines for p in line.points], "nats a target", log=False)
        about = "The running training loss and the validation loss along the training."
        limits = "the training loss has dropout in it, so that it may lie above the validation loss."
        yield Section("Training", line_chart("training", about, lines, x, y), about, limits)


def _counted(explanation: Results) -> Iterator[Section]:
    for number, (name, back_off) in enumerate(explanation.back_off.items()):
        bars = [Bar(f"{k} words", share, number) for k, share in zip(back_off.orders, back_off.shares, strict=True)]
        about = f"{name}: how many tokens got their probability from an n-gram of each length."
        limits = "whether a longer n-gram, where it is known, predicts better."
        yield Section(
            "Back-off", bar_chart(f"back-off-{number + 1}", about, bars, "share of the tokens"), about, limits
        )
    for place, (name, classes) in enumerate(explanation.class_weights.items(), 1):
        for number, of_class in enumerate(classes[:_MOST_CLASSES]):
            bars = [Bar(n, w, number) for n, w in zip(of_class.ngrams, of_class.weights, strict=True)]
            about = f"{name}: the n-grams that speak most for {of_class.label}."
            limits = "how often they occur: a strong n-gram may be rare."
            figure = bar_chart(f"weights-{place}-{number + 1}", about, bars, "weight above the mean of the classes")
            yield Section(f"What speaks for {of_class.label}", figure, about, limits)
