"""Charts of one example: which inputs mattered, its alignment, and what gates and heads do at each of its steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from seqloom.charts.bars import Bar, bar_chart
from seqloom.charts.figure import DataTable, DrawnFigure
from seqloom.charts.heat_map import Cell, heat_map, visible
from seqloom.explain.alignments import alignment_figure
from seqloom.explain.charts.layer_names import block_number, layer_names
from seqloom.explain.charts.section import MOST_BARS, Section
from seqloom.explain.heads import Trace, trace_figure
from seqloom.explain.measured import Measured
from seqloom.explain.measures.example_steps import HeadsByStep
from seqloom.explain.measures.gates import GatesByStep
from seqloom.tasks.capabilities import Band, Steps

_MOST_STEPS = 40
"""Of an example, the last ones are drawn; the JSON has all of them."""


def example_charts(runs: Sequence[Measured]) -> Iterator[Section]:
    several = len(runs) > 1
    for number, run in enumerate(runs):
        if run.attribution is not None:
            yield _inputs(run, number, several)
    for number, run in enumerate(runs):
        if run.alignment is not None:
            about = (
                "The attention of each token that is written (rows) to those that are read (columns), by greedy "
                "search: the stronger the colour, the more attention."
            )
            limits = "what is attended to need not matter, and a state holds what lies around its token too."
            figure = alignment_figure(run.alignment, f"alignment-{number + 1}")
            yield Section(_titled("Alignment", run, several), figure, about, limits)
    for number, run in enumerate(runs):
        if run.example is not None:
            yield from _gates(run, number, several)
            yield from _heads(run, number, several)


def _titled(title: str, run: Measured, several: bool) -> str:
    return f"{title}: {run.name}" if several else title


def _inputs(run: Measured, number: int, several: bool) -> Section:
    attribution = run.attribution
    assert attribution is not None
    weights, names = attribution.weights, attribution.names
    strongest = np.argsort(-np.abs(weights), kind="stable")[:MOST_BARS].tolist()
    numbered = len(set(names)) == len(names) and all(name.removeprefix("step ").lstrip("-").isdigit() for name in names)
    bars = [Bar(names[i] if numbered else f"{i + 1} {names[i]}", weights[i], number) for i in sorted(strongest)]
    about = (
        f"What each input adds to {attribution.output}, by integrated gradients. Together "
        f"{attribution.difference:.4g}; the sum is within {attribution.error:.2%} of it."
    )
    limits = "inputs that matter only together are weighed each by a share of what they do."
    figure = bar_chart(f"inputs-{number + 1}", about, bars, "added to the score")
    return Section(_titled("Which inputs mattered", run, several), figure, about, limits)


def _gates(run: Measured, number: int, several: bool) -> Iterator[Section]:
    """One map of all gates of layers that read the same elements."""
    assert run.example is not None
    names = layer_names(run, several)
    short = {layer: name.removeprefix(run.name).strip() for layer, name in layer_names(run, several=True).items()}
    alike: dict[tuple[str, ...], list[GatesByStep]] = {}
    for layer in run.example.gates:
        alike.setdefault(tuple(layer.names), []).append(layer)
    for place, layers in enumerate(alike.values(), 1):
        rows = {
            f"{short[layer.layer]} {gate}".strip() if len(layers) > 1 else gate: means[-_MOST_STEPS:]
            for layer in layers
            for gate, means in _short(layer.means)
        }
        about = (
            "How far each gate is open at each step of the example, the mean over its units: the stronger, the more."
        )
        limits = "single units may do the opposite of the mean, and an open gate may let nothing of use through."
        figure = _gate_map(f"gates-{number + 1}-{place}", about, rows, layers[0].names[-_MOST_STEPS:])
        read_alike = ", ".join(names[layer.layer] for layer in layers)
        yield Section(f"Gates along the example: {read_alike}", figure, about, limits)


def _short(means: dict[str, list[float]]) -> Iterator[tuple[str, list[float]]]:
    """Names for the left of a map, where there is little room."""
    return ((gate.removesuffix(" gate"), values) for gate, values in means.items())


def _gate_map(name: str, label: str, rows: dict[str, list[float]], steps: list[str]) -> DrawnFigure:
    cells = [
        Cell(row, column, value, f"{gate} at {visible(steps[column])}: {value:.2f}")
        for row, (gate, means) in enumerate(rows.items())
        for column, value in enumerate(means)
    ]
    by_step = zip(steps, *rows.values(), strict=True)
    table = DataTable(["step", *rows], [[visible(step), *(f"{v:.3f}" for v in values)] for step, *values in by_step])
    return heat_map(name, label, list(rows), steps, cells, table)


_OF_MEMORY = (
    "Where each head looks at each step of the example: a row is a location, the stronger the colour, the more of its "
    "weight. The longest stretch of locations that no head looks at is left out."
)
_OF_ATTENTION = (
    "What each head attends to at each step of the example: a column is the token that attends, a row one that it "
    "attends to, the first at the top."
)


def _heads(run: Measured, number: int, several: bool) -> Iterator[Section]:
    assert run.example is not None
    for place, layer in enumerate(run.example.heads, 1):
        title = "Heads of the memory" if layer.of_memory else f"Attention map: block {block_number(layer.layer)}"
        about = _OF_MEMORY if layer.of_memory else _OF_ATTENTION
        limits = "what is looked at need not matter to the output."
        figure = trace_figure(_last_steps(layer), f"heads-{number + 1}-{place}")
        yield Section(_titled(title, run, several), figure, about, limits)


def _last_steps(layer: HeadsByStep) -> Trace:
    weights = layer.weights[-_MOST_STEPS:]
    if not layer.of_memory:
        weights = weights[:, :, -_MOST_STEPS:]
    bands = [] if layer.bits is None else [Band("inputs", layer.bits[:, -_MOST_STEPS:])]
    names = [] if layer.bits is not None else layer.names[-_MOST_STEPS:]
    return Trace(Steps(names, bands), weights, layer.read_heads, layer.of_memory)
