"""A grid of shaded cells, with names at its top and left that are cut where they are long.

We draw it ourselves and not by Altair: a page of alignments holds hundreds of them, each of which would be a live view
of its own, and names need the room that their script takes, be cut where they are long, and show whole at the pointer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from seqloom.charts.figure import DataTable, DrawnFigure
from seqloom.charts.names import name_width

_CHARACTER_WIDTH = 7.2  # pixels of a name, on the generous side
_MOST_CHARACTERS = 18
_TURN = 55  # degrees by which the names at the top rise
_STRONG = 0.5  # shade from which on dark figures could not be read
_VISIBLE = {" ": "␣", "\n": "↵", "\r": "↵", "\t": "⇥"}

_STYLE = """
.ground { fill: var(--tint); stroke: var(--rule) } .line { stroke: var(--rule) }
.cell { fill: var(--c0) } .cell:hover { stroke: var(--ink) } .token { fill: var(--ink) }
.cell.wrong { fill: var(--c1) } .figure { fill: var(--ink); font-size: 11px; pointer-events: none }
.figure.on { fill: var(--paper) }
"""


class Cell(NamedTuple):
    """`shade` from 0 to 1; `about` shows at the pointer, `figure` in the cell; `wrong` has a colour of its own."""

    row: int
    column: int
    shade: float
    about: str
    figure: str = ""
    wrong: bool = False


def heat_map(
    name: str,
    label: str,
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Iterable[Cell],
    table: DataTable,
    size: int = 22,
) -> DrawnFigure:
    """`rows` are named at the left, `columns` along the top; cells are `size` pixels."""
    return DrawnFigure(name, label, table, _drawing(rows, columns, cells, size), _STYLE)


def _drawing(rows: Sequence[str], columns: Sequence[str], cells: Iterable[Cell], size: int) -> str:
    above, beside = ([shown(name) for name in names] for names in (columns, rows))
    turn = np.deg2rad(_TURN)
    longest = max(map(_width, above), default=0.0)
    left, top = max(map(_width, beside), default=0.0) + 12, longest * np.sin(turn) + 22
    width = left + len(columns) * size + longest * np.cos(turn) + 12
    parts = [
        *_ground(left, top, len(rows), len(columns), size),
        *_above(above, columns, left, top, size),
        *_beside(beside, rows, left, top, size),
        *(_drawn(cell, left, top, size) for cell in cells),
    ]
    box = f"{width:.0f} {top + len(rows) * size + 8:.0f}"
    wide, high = box.split()
    return f'<svg viewBox="0 0 {box}" width="{wide}" height="{high}">{"".join(parts)}</svg>'


def visible(name: str) -> str:
    """The name, with signs in place of whitespace where there is nothing else in it."""
    return "".join(_VISIBLE.get(character, character) for character in name) if not name.strip() else name


def shown(name: str) -> str:
    """The name, or its beginning where it is long."""
    name = visible(name) or "∅"
    return name if len(name) <= _MOST_CHARACTERS else f"{name[: _MOST_CHARACTERS - 1]}…"


def _ground(left: float, top: float, rows: int, columns: int, size: int) -> list[str]:
    """The empty field, and its lines in a single path."""
    wide, high = columns * size, rows * size
    lines = "".join(f"M{left:.0f} {top + row * size:.0f}h{wide}" for row in range(1, rows))
    lines += "".join(f"M{left + column * size:.0f} {top:.0f}v{high}" for column in range(1, columns))
    field = f'<rect class="ground" x="{left:.0f}" y="{top:.0f}" width="{wide}" height="{high}"/>'
    return [field, f'<path class="line" d="{lines}"/>' if lines else ""]


def _above(names: Sequence[str], full: Sequence[str], left: float, top: float, size: int) -> list[str]:
    parts = []
    for column, (name, full_name) in enumerate(zip(names, full, strict=True)):
        x, y = left + (column + 0.6) * size, top - 8
        turned = f'transform="translate({x:.0f} {y:.0f}) rotate(-{_TURN})"'
        parts.append(f'<text class="token" {turned}>{_whole(name, full_name)}{escape(name)}</text>')
    return parts


def _beside(names: Sequence[str], full: Sequence[str], left: float, top: float, size: int) -> list[str]:
    parts = []
    for row, (name, full_name) in enumerate(zip(names, full, strict=True)):
        place = f'x="{left - 8:.0f}" y="{top + (row + 0.5) * size:.0f}" dy=".35em" text-anchor="end"'
        parts.append(f'<text class="token" {place}>{_whole(name, full_name)}{escape(name)}</text>')
    return parts


def _drawn(cell: Cell, left: float, top: float, size: int) -> str:
    x, y = left + cell.column * size, top + cell.row * size
    place = f'x="{x:.0f}" y="{y:.0f}" width="{size}" height="{size}"'
    kind = "cell wrong" if cell.wrong else "cell"
    shade = f'fill-opacity="{min(cell.shade, 1.0):.2f}"'
    square = f'<rect class="{kind}" {place} {shade}><title>{escape(cell.about)}</title></rect>'
    if not cell.figure:
        return square
    on = "figure on" if cell.shade > _STRONG else "figure"
    middle = f'x="{x + size / 2:.1f}" y="{y + size / 2:.1f}" dy=".35em" text-anchor="middle"'
    return f'{square}<text class="{on}" {middle}>{escape(cell.figure)}</text>'


def _whole(short: str, name: str) -> str:
    return f"<title>{escape(name)}</title>" if short.endswith("…") else ""


def _width(name: str) -> float:
    return name_width(name, _CHARACTER_WIDTH)
