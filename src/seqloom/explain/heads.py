"""Where the heads of a memory looked, beside what went in and came out, along time: as a page of pictures.

We draw them ourselves and not by Altair: bands of unlike rows share one axis of time, the ring of locations is cut
where no head looked, and a picture has thousands of cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from seqloom.charts.figure import DataTable, DrawnFigure
from seqloom.charts.heat_map import visible
from seqloom.charts.page import Page
from seqloom.data.batches import Batch
from seqloom.errors import RequestError
from seqloom.nn.ntm.head_weights import RecordsWeights, record_weights
from seqloom.tasks.capabilities import Band, ShowsSteps, Steps, Trained
from seqloom.tasks.network_task import NetworkTask
from seqloom.tasks.task import Task

_CELL = 9  # pixels
_LEFT, _NAME_HEIGHT = 52, 16
_FAINTEST = 0.01
_LOOKED_AT = 0.05
"""The weight from which on a location was looked at."""

_STYLE = """
.ground { fill: var(--tint); stroke: var(--rule) } .cell { fill: var(--c0) } .cell.writes { fill: var(--c1) }
.cell:hover { stroke: var(--ink) } .band, .token { fill: var(--ink) } .token { font-size: 10px }
"""


class Trace(NamedTuple):
    """One sequence. `weights` (time, heads, locations), the first `read_heads` of which read. Without `of_memory`, the
    locations are the elements of the sequence itself, to which heads of self-attention attend."""

    steps: Steps
    weights: NDArray[np.float32]
    read_heads: int
    of_memory: bool = True


def watch(task: Task, trained: Trained, data: Any, most: int = 4) -> list[Trace]:
    """At most `most` sequences from all over `data`. Raises RequestError where the model has no memory to look at."""
    model = trained.model
    parts = model.modules() if isinstance(model, torch.nn.Module) else ()
    watched = [part for part in parts if isinstance(part, RecordsWeights)]
    if not watched or not isinstance(task, NetworkTask):
        raise RequestError("the model has no memory with heads", expected="a run of ntm")
    loader, device = task.exact_loader(data, trained.settings), next(model.parameters()).device
    traces: list[Trace] = []
    steps = loader.num_steps(0)
    for step in sorted({round(place) for place in np.linspace(0, steps - 1, min(most, steps))}):
        batch = loader.batch(0, step).to(device)
        with torch.no_grad(), record_weights(model) as record:
            task.loss(model, batch, None)
        row, length = batch.num_rows - 1, _length(batch)
        shown = task.steps(trained, batch, row) if isinstance(task, ShowsSteps) else Steps([], [])
        shown = Steps(shown.names[:length], [Band(name, values[:, :length]) for name, values in shown.bands])
        for part, name in zip(watched, record, strict=True):
            traces.append(Trace(shown, record[name][row, :length].cpu().numpy(), part.read_heads))
    return traces


def _length(batch: Batch) -> int:
    """Of the last row, as far as the layer went along it."""
    rows, lengths = batch.source_or_inputs
    return rows.shape[1] if lengths is None else int(lengths[-1])


def heads_page(traces: Sequence[Trace], title: str, about: str = "") -> Page:
    """The page. Everything in it is escaped; it loads nothing from anywhere. `about` is a line below the title."""
    figures = [trace_figure(trace, f"heads-{number}") for number, trace in enumerate(traces, 1)]
    sections = "\n".join(
        f"<h2>{number}. {len(trace.weights)} steps</h2>{figure.html()}"
        for number, (trace, figure) in enumerate(zip(traces, figures, strict=True), 1)
    )
    body = f"""<h1>{escape(title)}</h1><p class="soft">{escape(about)}</p>
<p class="soft">Time goes from left to right. Of the memory, a row is a location: the stronger the colour, the more of
a head's weight it had at that step. The memory is a ring: its longest stretch that no head looked at is
left out. The values show at the pointer.</p>
{sections}"""
    return Page(title, body, figures)


def trace_figure(trace: Trace, name: str = "heads") -> DrawnFigure:
    """The bands of the sequence, then one for each head."""
    label = f"weights of {trace.weights.shape[1]} heads over {trace.weights.shape[2]} locations at each step"
    return DrawnFigure(name, label, _table(trace), _drawing(trace), _STYLE)


def _table(trace: Trace) -> DataTable:
    """At each step the location that each head looked at most."""
    names = list(map(visible, trace.steps.names)) or [""] * len(trace.weights)
    rows = []
    for step, (name, weights) in enumerate(zip(names, trace.weights, strict=True)):
        place = "location" if trace.of_memory else "position"
        strongest = [f"{place} {head.argmax()}: {head.max():.2f}" for head in weights]
        rows.append([str(step), name, *strongest])
    return DataTable(["step", "", *(_head_name(trace, head) for head in range(trace.weights.shape[1]))], rows)


def _head_name(trace: Trace, head: int) -> str:
    if not trace.of_memory:
        return f"head {head + 1}"
    reads = head < trace.read_heads
    number = head if reads else head - trace.read_heads
    return f"{'read' if reads else 'write'} weights" + (f", head {number + 1}" if trace.weights.shape[1] > 2 else "")


def _drawing(trace: Trace) -> str:
    time = len(trace.weights)
    shown = _looked_at(trace.weights) if trace.of_memory else list(range(trace.weights.shape[2]))
    place = "location" if trace.of_memory else "position"
    parts: list[str] = []
    top = 4.0
    for band in trace.steps.bands:
        parts += _band(band.name, band.values, top, range(len(band.values)), "cell", "row")
        top += _height(len(band.values))
    for head in range(trace.weights.shape[1]):
        kind = "cell" if head < trace.read_heads else "cell writes"
        parts += _band(_head_name(trace, head), trace.weights[:, head, shown].T, top, shown, kind, place)
        top += _height(len(shown))
    parts += _names(trace.steps.names, top)
    top += 80 if trace.steps.names else 0
    wide, high = _LEFT + time * _CELL + 8, top + 4
    return f'<svg viewBox="0 0 {wide} {high:.0f}" width="{wide}" height="{high:.0f}">{"".join(parts)}</svg>'


def _looked_at(weights: NDArray[np.float32]) -> list[int]:
    """The locations in the order of their ring, without the longest stretch that no head looked at."""
    seen, size = np.flatnonzero((weights >= _LOOKED_AT).any((0, 1))), weights.shape[2]
    if not len(seen):
        return list(range(size))
    gaps = np.diff(seen, append=seen[0] + size)
    last = int(gaps.argmax())
    return [(int(seen[last]) + int(gaps[last]) + i) % size for i in range(size - int(gaps[last]) + 1)]


def _height(rows: int) -> float:
    return _NAME_HEIGHT + rows * _CELL + 10


def _band(name: str, values: NDArray[Any], top: float, numbers: Sequence[int], kind: str, row_is: str) -> Iterator[str]:
    """A name, a field, the numbers of its first and last row, and a square for what could be seen."""
    rows, time = values.shape
    yield f'<text class="band" x="{_LEFT}" y="{top + 12:.0f}">{escape(name)}</text>'
    top += _NAME_HEIGHT
    yield f'<rect class="ground" x="{_LEFT}" y="{top:.0f}" width="{time * _CELL}" height="{rows * _CELL}"/>'
    for row in sorted({0, rows - 1}) if rows > 3 else []:
        place = f'x="{_LEFT - 6}" y="{top + (row + 0.5) * _CELL:.0f}" dy=".35em" text-anchor="end"'
        yield f'<text class="tick" {place}>{numbers[row]}</text>'
    for row, step in np.argwhere(values >= _FAINTEST).tolist():
        value = float(values[row, step])
        place = f'x="{_LEFT + step * _CELL}" y="{top + row * _CELL:.0f}" width="{_CELL}" height="{_CELL}"'
        title = f"step {step}, {row_is} {numbers[row]}: {value:.2f}"
        yield f'<rect class="{kind}" {place} fill-opacity="{min(value, 1):.2f}"><title>{title}</title></rect>'


def _names(names: Sequence[str], top: float) -> Iterator[str]:
    for step, name in enumerate(names):
        turned = f'transform="translate({_LEFT + (step + 0.3) * _CELL:.0f} {top + 2:.0f}) rotate(60)"'
        yield f'<text class="token" {turned}>{escape(visible(name))[:14]}</text>'
