"""The page of an explanation: the verdict first, then what to change, then every chart with what it cannot tell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape

from seqloom.charts.axis import Axis
from seqloom.charts.bars import Bar, bar_chart
from seqloom.charts.figure import Figure
from seqloom.charts.lines import Line, line_chart
from seqloom.charts.page import Page
from seqloom.charts.scatter import Point, scatter_chart
from seqloom.explain.measured import Measured
from seqloom.explain.results import Results

_STYLE = """
.verdict { background: var(--tint); border-left: 4px solid var(--c0); padding: .8rem 1.1rem; margin: 1.2rem 0 }
.verdict p { font-size: 1.05rem }
pre { overflow-x: auto; background: var(--tint); padding: .6rem .8rem; font-size: .8rem }
ol li { margin: .9rem 0 } td, th { padding: .25rem .8rem .25rem 0; text-align: left }
"""
_MOST_BARS = 40


def explanation_page(explanation: Results) -> Page:
    """All text is escaped; the page loads nothing."""
    parts, figures = [_head(explanation), _cures(explanation), _trials(explanation)], list[Figure]()
    for title, figure, about, limits in sections(explanation):
        figures.append(figure)
        parts.append(
            f"<h2>{escape(title)}</h2><p>{escape(about)}</p>{figure.html()}"
            f'<p class="soft">What this cannot tell: {escape(limits)}</p>'
        )
    return Page("Why the model learns, or does not", "\n".join(part for part in parts if part), figures, _STYLE)


def _head(explanation: Results) -> str:
    verdict = "".join(f"<p>{escape(sentence)}</p>" for sentence in explanation.verdict)
    rows = "".join(
        f"<tr><td>{escape(run.name)}</td><td>{escape(run.task)}</td><td>{escape(run.model)}</td>"
        f"<td>{escape(', '.join(f'{k} {v:.4g}' for k, v in list(run.score.items())[:3]))}</td></tr>"
        for run in explanation.measured
    )
    return f"""<h1>Why the model learns, or does not</h1><div class="verdict">{verdict}</div>
<div class="wide"><table><tr><th>run</th><th>task</th><th>model</th><th>scores</th></tr>{rows}</table></div>"""


def _cures(explanation: Results) -> str:
    if not explanation.prescriptions:
        return ""
    items = "".join(
        f"<li>{escape(p.reason[0].upper() + p.reason[1:])}.<p class='soft'>Because: {escape(p.evidence)}</p>"
        f"<pre>{escape(p.command)}</pre></li>"
        for p in explanation.prescriptions
    )
    return f"<h2>What to change</h2><ol>{items}</ol>"


def _trials(explanation: Results) -> str:
    if not explanation.trials:
        return ""
    items = "".join(f"<li>{escape(trial.text)}</li>" for trial in explanation.trials)
    return f"<h2>What was tried</h2><ul>{items}</ul>"


Section = tuple[str, Figure, str, str]


def sections(explanation: Results) -> Iterator[Section]:
    runs = explanation.measured
    yield from _memory(runs)
    yield from _reach(runs)
    yield from _dynamics(runs)
    yield from _inside(runs)
    yield from _example(runs)
    yield from _health(runs)
    yield from _counted(explanation)


def _memory(runs: Sequence[Measured]) -> Iterator[Section]:
    curves = [(number, run, run.curve) for number, run in enumerate(runs) if run.curve is not None]
    if curves:
        lines = []
        for number, run, curve in curves:
            points = [(float(k), v) for k, v in zip(curve.contexts, curve.loss, strict=True) if k > 0]
            band = [(a, b) for k, a, b in zip(curve.contexts, curve.low, curve.high, strict=True) if k > 0]
            lines.append(Line(run.name, points, number, band))
        unit, score = curves[0][2].unit, curves[0][2].score
        x = Axis.over([p[0] for line in lines for p in line.points], f"{unit} of context", log=True)
        y = Axis.over([e for line in lines for pair in line.band or [] for e in pair], score, log=False)
        rules = [(float(c.memory_length), f"{r.name}: {c.memory_length}") for _, r, c in curves if c.memory_length > 0]
        about = (
            "The loss as the context is cut to its last elements, with a 95 % interval of the mean. The dashed lines "
            "stand where a curve becomes flat: 95 % of what context gives is reached there."
        )
        limits = (
            "a model that was never trained on short contexts may lose more by the cut itself than by what was cut "
            "away. The curve shows what this model uses; what the data hold is at least what the best model uses."
        )
        yield "Memory length", line_chart("memory", about, lines, x, y, rules), about, limits
    yield from _by_length(runs)
    information = [(n, r, r.dependence) for n, r in enumerate(runs[:1]) if r.dependence is not None]
    for number, run, dependence in information:
        lines = [Line(run.name, list(zip(map(float, dependence.lags), dependence.information, strict=True)), number)]
        x = Axis.over([float(lag) for lag in dependence.lags], "tokens between", log=True)
        about = "How much two tokens tell of each other by the distance between them, whatever the model."
        limits = "what three or more tokens say together; rare tokens, which are taken as one."
        figure = line_chart("dependence", about, lines, x, Axis.over(dependence.information, "nats", False))
        yield "What the data hold", figure, about, limits


def _by_length(runs: Sequence[Measured]) -> Iterator[Section]:
    measured = [(n, run, run.by_length) for n, run in enumerate(runs) if run.by_length is not None]
    if measured:
        lines = [Line(r.name, list(zip(b.lengths, b.loss, strict=True)), n) for n, r, b in measured]
        x = Axis.over([p[0] for line in lines for p in line.points], "tokens of the source", log=False)
        y = Axis.over([p[1] for line in lines for p in line.points], "nats a target token", log=False)
        about = "The loss of a target token by the length of its source, in groups of equal size."
        limits = "whether long sources are harder in themselves: compare with a run that has attention."
        yield "Bottleneck by length", line_chart("by-length", about, lines, x, y), about, limits


def _reach(runs: Sequence[Measured]) -> Iterator[Section]:
    lines: list[Line] = []
    for number, run in enumerate(runs):
        for dashed, reaches in ((False, run.reach), (True, run.reach_before)):
            for reach in reaches:
                points = [(float(k), v) for k, v in zip(reach.lags, reach.mean, strict=True) if v > 1e-20]
                band = [(max(a, 1e-20), max(b, 1e-20)) for a, b in zip(reach.low, reach.high, strict=True)]
                band = [pair for pair, v in zip(band, reach.mean, strict=True) if v > 1e-20]
                name = f"{run.name} {reach.layer.split('.')[-1]} {reach.state}" + (" untrained" if dashed else "")
                color = number if len(runs) > 1 else len(lines)
                lines.append(Line(name, points, color, None if dashed else band, dashed, marks=False))
        for dynamics in run.dynamics:
            first = next((r for r in run.reach if r.layer == dynamics.layer and r.mean[0] > 0), None)
            if dynamics.pascanu_bound is not None and first is not None:
                bound = [(float(k), first.mean[0] * dynamics.pascanu_bound**k) for k in first.lags]
                bound = [point for point in bound if 1e-20 < point[1] < 1e20]
                lines.append(Line(f"{run.name} Pascanu's bound", bound, number + 4, None, True, marks=False))
    lines = [line for line in lines if len(line.points) > 1]
    if lines:
        x = Axis.over([p[0] for line in lines for p in line.points], "steps back", log=False)
        y = Axis.over([p[1] for line in lines for p in line.points], "norm of the gradient", log=True)
        for place, line in enumerate(lines):  # the lowest percentiles may lie far below the means
            if line.band:
                band = [(max(low, y.low), max(high, y.low)) for low, high in line.band]
                lines[place] = replace(line, band=band)
        about = "The norm of the gradient of the loss at the last step alone, by how many steps back the state lies."
        limits = (
            "a large gradient need not carry what matters, and a small one may be enough where all examples agree. "
            "Attention and pooling reach every step beside the recurrence."
        )
        yield "Gradient reach", line_chart("gradient-reach", about, lines, x, y), about, limits


def _dynamics(runs: Sequence[Measured]) -> Iterator[Section]:
    lines, bars = [], []
    for number, run in enumerate(runs):
        for part in run.dynamics:
            name = f"{run.name} {part.layer.split('.')[-1]}"
            values = [(float(t), v) for t, v in enumerate(part.singular_values, 1) if math.isfinite(v)]
            lines.append(Line(name, values, number, marks=False))
            bars += [Bar(f"{name}, {i}", value, number) for i, value in enumerate(part.exponents[:4], 1)]
    if lines:
        x = Axis.over([p[0] for line in lines for p in line.points], "steps", log=False)
        y = Axis.over([p[1] for line in lines for p in line.points] + [1.0], "singular value", log=False)
        about = "The largest singular value of each step's Jacobian: the most that the step can stretch a gradient."
        limits = "the direction that is stretched changes from step to step, so their product is an upper bound."
        yield "Stretching of a step", line_chart("singular-values", about, lines, x, y), about, limits
        about = "Lyapunov exponents: above 0, nearly equal states part and gradients explode; far below 0, they vanish."
        limits = "other sequences may differ; it is the mean along one."
        yield "Lyapunov exponents", bar_chart("exponents", about, bars, "nats a step"), about, limits


def _inside(runs: Sequence[Measured]) -> Iterator[Section]:
    bars, lines, points = [], [], []
    for number, run in enumerate(runs):
        for gates in run.gates:
            name = f"{run.name} {gates.layer.split('.')[-1]}"
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
            block = ".".join(part for part in head.layer.split(".") if part.isdigit())
            points.append(Point(f"{block}.{head.head + 1}", head.distance, head.entropy, number))
    if bars:
        about = (
            "The share of gate values below 0.05 (closed) and above 0.95 (open), of tanh units near 1, of dead ones."
        )
        limits = "a gate may be open for good reason; only one that never moves is lost."
        yield "Saturation", bar_chart("saturation", about, bars[:_MOST_BARS], "share of the values"), about, limits
    if lines:
        x = Axis.over([p[0] for line in lines for p in line.points], "units, sorted", log=True)
        y = Axis.over([p[1] for line in lines for p in line.points], "steps", log=True)
        about = "The time scale 1 / (1 - f) of each unit, f the mean of the gate that keeps its state."
        limits = "whether what a unit keeps is used."
        yield "Time scales", line_chart("time-scales", about, lines, x, y), about, limits
    if points:
        x = Axis.over([p.x for p in points], "mean distance", log=False)
        y = Axis.over([p.y for p in points], "entropy, nats", log=False)
        about = "Each attention head (block.head): how far from its query it looks, and how widely."
        limits = "what is attended to need not matter to the output; the next chart weighs that."
        yield "Attention heads", scatter_chart("heads", about, points, x, y), about, limits


def _example(runs: Sequence[Measured]) -> Iterator[Section]:
    for number, run in enumerate(runs):
        if run.attribution is not None:
            a = run.attribution
            strongest = sorted(range(len(a.weights)), key=lambda i, a=a: -abs(a.weights[i]))[:_MOST_BARS]  # type: ignore[misc]
            bars = [Bar(f"{i + 1} {a.names[i]}", a.weights[i], number) for i in sorted(strongest)]
            about = (
                f"What each input adds to {a.output}, by integrated gradients. Together {a.difference:.4g}; the sum is "
                f"within {a.error:.2%} of it."
            )
            limits = "inputs that matter only together are weighed each by a share of what they do."
            title = "Which inputs mattered" + (f": {run.name}" if len(runs) > 1 else "")
            yield title, bar_chart(f"inputs-{number + 1}", about, bars, "share of the score"), about, limits


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
        yield "Training", line_chart("training", about, lines, x, y), about, limits


def _counted(explanation: Results) -> Iterator[Section]:
    for number, (name, back_off) in enumerate(explanation.back_off.items()):
        bars = [Bar(f"{k} words", share, number) for k, share in zip(back_off.orders, back_off.shares, strict=True)]
        about = f"{name}: how many tokens got their probability from an n-gram of each length."
        limits = "whether a longer n-gram, where it is known, predicts better."
        yield "Back-off", bar_chart(f"back-off-{number + 1}", about, bars, "share of the tokens"), about, limits
    for name, classes in explanation.class_weights.items():
        for number, of_class in enumerate(classes[:20]):
            bars = [Bar(n, w, number) for n, w in zip(of_class.ngrams, of_class.weights, strict=True)]
            about = f"{name}: the n-grams that speak most for {of_class.label}."
            limits = "how often they occur: a strong n-gram may be rare."
            figure = bar_chart(f"weights-{number + 1}", about, bars, "weight above the mean of the classes")
            yield f"What speaks for {of_class.label}", figure, about, limits
