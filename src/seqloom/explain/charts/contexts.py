"""Charts of the loss by the length of contexts and of sources, and of what the data hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from seqloom.charts.lines import Line, line_chart, x_axis, y_axis
from seqloom.explain.charts.section import MOST_BANDS, Section
from seqloom.explain.measured import Measured, bottlenecks
from seqloom.explain.measures.source_length import Bottleneck


def memory_charts(runs: Sequence[Measured]) -> Iterator[Section]:
    curves = [(number, run, run.curve) for number, run in enumerate(runs) if run.curve is not None]
    if curves:
        lines, flat = [], dict[int, list[str]]()
        for number, run, curve in curves:
            points = [(float(k), v) for k, v in zip(curve.contexts, curve.loss, strict=True) if k > 0]
            band = [(a, b) for k, a, b in zip(curve.contexts, curve.low, curve.high, strict=True) if k > 0]
            lines.append(Line(run.name, points, number, band if len(curves) <= MOST_BANDS else None))
            if curve.memory_length > 0:
                flat.setdefault(curve.memory_length, []).append(run.name)
        unit, score = curves[0][2].unit, curves[0][2].score
        x = x_axis(lines, f"{unit} of context", log=True)
        y = y_axis(lines, score, also=[end for line in lines for end in chain(*line.band or [])])
        rules = [(float(length), f"{', '.join(names)}: {length}") for length, names in flat.items()]
        interval = ", with a 95 % interval of the mean" if len(curves) <= MOST_BANDS else ""
        about = (
            f"The loss as the context is cut to its last elements{interval}. Dashed lines stand where a curve becomes "
            "flat: 95 % of what context gives is reached there."
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
        x = x_axis(lines, "tokens between", log=True)
        about = "How much two tokens tell of each other by the distance between them, whatever the model."
        limits = "what three or more tokens say together; rare tokens, which are taken as one."
        figure = line_chart("dependence", about, lines, x, y_axis(lines, "nats"))
        yield Section("What the data hold", figure, about, limits)


def _by_length(runs: Sequence[Measured]) -> Iterator[Section]:
    measured = [(n, run, run.by_length) for n, run in enumerate(runs) if run.by_length is not None]
    if measured:
        lines = [Line(r.name, list(zip(b.lengths, b.loss, strict=True)), n) for n, r, b in measured]
        x = x_axis(lines, "tokens of the source")
        y = y_axis(lines, "nats per target token")
        about = "The loss of a target token by the length of its source, in groups of equal size."
        limits = "whether long sources are harder in themselves: compare with a run that has attention."
        yield Section("Bottleneck by length", line_chart("by-length", about, lines, x, y), about, limits)
    numbers = {run.name: number for number, run in enumerate(runs)}
    for name, attending, costs in bottlenecks(runs):
        yield _bottleneck(numbers[name], name, attending, costs)
    yield from _translations(runs)


def _bottleneck(number: int, name: str, attending: str, costs: Bottleneck) -> Section:
    """What a run costs over one with attention, and the line that is fitted to it."""
    band = list(zip(costs.low, costs.high, strict=True))
    lines = [Line(name, list(zip(costs.lengths, costs.costs, strict=True)), number, band)]
    about = (
        f"What a target token costs {name} more than {attending} on the same examples, in groups of equal size with 95 "
        "% intervals."
    )
    rules, rise = [], costs.onset
    if rise is not None and rise.is_real:
        ends = sorted({costs.lengths[0], rise.begins, rise.ends, costs.lengths[-1]})
        fitted = [(x, rise.at(x)) for x in ends if costs.lengths[0] <= x <= costs.lengths[-1]]
        lines.append(Line(name, fitted, number, dashed=True, marks=False))
        rules = [(rise.begins, f"begins: {rise.begins:.0f} ({rise.low:.0f} to {rise.high:.0f})")]
        about += (
            f" Dashed: a ramp that is fitted to the single examples; it begins at {rise.begins:.0f} tokens (95 % "
            f"interval {rise.low:.0f} to {rise.high:.0f})."
        )
    x = x_axis(lines, "tokens of the source")
    y = y_axis(lines, "nats per target token", also=[0.0, *chain(*band)])
    limits = (
        f"whether {name} would fall behind as much after a longer training, or with a larger state; translations, "
        "which do not read the right words before, may fall behind earlier."
    )
    figure = line_chart(f"bottleneck-{number + 1}", about, lines, x, y, rules)
    return Section(f"What {name} costs over {attending}", figure, about, limits)


def _translations(runs: Sequence[Measured]) -> Iterator[Section]:
    lines = [
        Line(run.name, [((s.from_length + s.to_length) / 2, s.chrf) for s in run.translations], number)
        for number, run in enumerate(runs)
        if run.translations
    ]
    if lines:
        x = x_axis(lines, "words of the source")
        y = y_axis(lines, "chrF", also=[0.0])
        about = (
            "The chrF of translations by greedy search, which reads what it wrote itself, by the length of the source."
        )
        limits = "whether a model that falls behind has a bottleneck or has learnt less: compare runs of one budget."
        yield Section("Translations by length", line_chart("translations", about, lines, x, y), about, limits)
