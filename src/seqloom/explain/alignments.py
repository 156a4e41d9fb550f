"""The attention of targets to their sources as a page of heat maps."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from seqloom.decoding.alignment import Alignment
from seqloom.errors import SeqloomError
from seqloom.page import page

_CELL = 22
_LETTER_WIDTH = 7.2  # of a token, on the generous side
_MOST_LETTERS = 18
_TURN = 55  # degrees by which source tokens rise
_FAINTEST = 0.005
_VISIBLE = {" ": "␣", "\n": "↵", "\r": "↵", "\t": "⇥"}

_STYLE = """
nav { columns: 18rem; column-gap: 2rem; margin: 1.25rem 0 0; font-size: .9rem }
nav a { display: block; color: inherit; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
nav a:not(:hover) { text-decoration: none } nav span { color: var(--soft); display: inline-block; min-width: 1.6rem }
section { scroll-margin-top: 1rem } section h2 { overflow-wrap: anywhere } section p { overflow-wrap: anywhere }
.ground { fill: var(--tint); stroke: var(--rule) } .line { stroke: var(--rule) }
.cell { fill: var(--c0) } .cell:hover { stroke: var(--ink) } .token { fill: var(--ink) }
"""


def alignments_html(alignments: Sequence[Alignment], title: str) -> str:
    """A page with a heat map of each alignment and a list to find one; everything is escaped, nothing is loaded."""
    if not alignments:
        raise SeqloomError(
            "there are no alignments to show", expected="one or more", hint="only a model with attention has them"
        )
    links = "".join(
        f'<a href="#s{number}"><span>{number}</span>{escape(_text(one.source))}</a>'
        for number, one in enumerate(alignments, 1)
    )
    sections = "\n".join(_section(number, one) for number, one in enumerate(alignments, 1))
    body = f"""<h1>{escape(title)}</h1>
<p class="soft">Each row is a token that was written, each column one that was read: the stronger the colour, the
more of the attention it had. The value shows at the pointer; a cell without one is below {_FAINTEST}.</p>
<nav>{links}</nav>
{sections}"""
    return page(title, body, _STYLE)


def _section(number: int, alignment: Alignment) -> str:
    return f"""<section id="s{number}"><h2>{number}. {escape(_text(alignment.source))}</h2>
<p>{escape(_text(alignment.target))}</p>
<div class="wide">{heat_map(alignment)}</div></section>"""


def heat_map(alignment: Alignment) -> str:
    """Inline SVG: source tokens along the top, target tokens at the left."""
    weights = alignment.matrix()
    rows, columns = weights.shape
    sources, targets = ([_shown(token) for token in side] for side in (alignment.source, alignment.target))
    turn = np.deg2rad(_TURN)
    longest = max(map(_width, sources), default=0.0)
    left, top = max(map(_width, targets), default=0.0) + 12, longest * np.sin(turn) + 22
    width = left + columns * _CELL + longest * np.cos(turn) + 12
    parts = [
        *_ground(left, top, rows, columns),
        *_source_tokens(sources, alignment.source, left, top),
        *_target_tokens(targets, alignment.target, left, top),
        *_cells(weights, alignment, left, top),
    ]
    size = f"{width:.0f} {top + rows * _CELL + 8:.0f}"
    wide, high = size.split()
    return f'<svg viewBox="0 0 {size}" width="{wide}" height="{high}">{"".join(parts)}</svg>'


def _ground(left: float, top: float, rows: int, columns: int) -> list[str]:
    """The empty field, and its lines in a single path."""
    wide, high = columns * _CELL, rows * _CELL
    lines = "".join(f"M{left:.0f} {top + row * _CELL:.0f}h{wide}" for row in range(1, rows))
    lines += "".join(f"M{left + column * _CELL:.0f} {top:.0f}v{high}" for column in range(1, columns))
    field = f'<rect class="ground" x="{left:.0f}" y="{top:.0f}" width="{wide}" height="{high}"/>'
    return [field, f'<path class="line" d="{lines}"/>' if lines else ""]


def _source_tokens(shown: Sequence[str], full: Sequence[str], left: float, top: float) -> list[str]:
    parts = []
    for column, (token, whole) in enumerate(zip(shown, full, strict=True)):
        x, y = left + (column + 0.6) * _CELL, top - 8
        turned = f'transform="translate({x:.0f} {y:.0f}) rotate(-{_TURN})"'
        parts.append(f'<text class="token" {turned}>{_whole(token, whole)}{escape(token)}</text>')
    return parts


def _target_tokens(shown: Sequence[str], full: Sequence[str], left: float, top: float) -> list[str]:
    parts = []
    for row, (token, whole) in enumerate(zip(shown, full, strict=True)):
        place = f'x="{left - 8:.0f}" y="{top + (row + 0.5) * _CELL:.0f}" dy=".35em" text-anchor="end"'
        parts.append(f'<text class="token" {place}>{_whole(token, whole)}{escape(token)}</text>')
    return parts


def _cells(weights: NDArray[np.float64], alignment: Alignment, left: float, top: float) -> list[str]:
    """A square for each weight that could be seen. Attention is mostly nothing, and pages are not to be larger."""
    parts = []
    for row, column in np.argwhere(weights >= _FAINTEST).tolist():
        weight = float(weights[row, column])
        about = f"{_visible(alignment.target[row])} ← {_visible(alignment.source[column])}: {weight:.2f}"
        place = f'x="{left + column * _CELL:.0f}" y="{top + row * _CELL:.0f}" width="{_CELL}" height="{_CELL}"'
        shade = f'fill-opacity="{min(weight, 1.0):.2f}"'
        parts.append(f'<rect class="cell" {place} {shade}><title>{escape(about)}</title></rect>')
    return parts


def _text(tokens: Sequence[str]) -> str:
    return " ".join(tokens) or "(nothing)"


def _visible(token: str) -> str:
    """A token of blanks could not be seen."""
    return "".join(_VISIBLE.get(letter, letter) for letter in token) if not token.strip() else token


def _shown(token: str) -> str:
    """The token, or its beginning where it is long."""
    token = _visible(token) or "∅"
    return token if len(token) <= _MOST_LETTERS else f"{token[: _MOST_LETTERS - 1]}…"


def _whole(shown: str, token: str) -> str:
    return f"<title>{escape(token)}</title>" if shown.endswith("…") else ""


def _width(token: str) -> float:
    """In pixels, about: letters of East Asian scripts are twice as wide, marks above letters take no room."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in token)
    marks = sum(unicodedata.combining(letter) > 0 for letter in token)
    return _LETTER_WIDTH * (len(token) + wide - marks)
