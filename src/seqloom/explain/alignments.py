"""The attention of targets to their sources as a page of heat maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from seqloom.decoding.alignment import Alignment
from seqloom.errors import SeqloomError
from seqloom.explain.heat_map import HEAT_MAP_STYLE, Cell, visible
from seqloom.explain.heat_map import heat_map as grid
from seqloom.page import page

_FAINTEST = 0.005

_STYLE = """
nav { columns: 18rem; column-gap: 2rem; margin: 1.25rem 0 0; font-size: .9rem }
nav a { display: block; color: inherit; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
nav a:not(:hover) { text-decoration: none } nav span { color: var(--soft); display: inline-block; min-width: 1.6rem }
section { scroll-margin-top: 1rem } section h2 { overflow-wrap: anywhere } section p { overflow-wrap: anywhere }
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
    return page(title, body, HEAT_MAP_STYLE + _STYLE)


def _section(number: int, alignment: Alignment) -> str:
    return f"""<section id="s{number}"><h2>{number}. {escape(_text(alignment.source))}</h2>
<p>{escape(_text(alignment.target))}</p>
<div class="wide">{heat_map(alignment)}</div></section>"""


def heat_map(alignment: Alignment) -> str:
    """Inline SVG: source tokens along the top, target tokens at the left."""
    return grid(alignment.target, alignment.source, _cells(alignment.matrix(), alignment))


def _cells(weights: NDArray[np.float64], alignment: Alignment) -> Iterator[Cell]:
    """One for each weight that could be seen. Attention is mostly nothing, and pages are not to be larger."""
    for row, column in np.argwhere(weights >= _FAINTEST).tolist():
        weight = float(weights[row, column])
        about = f"{visible(alignment.target[row])} ← {visible(alignment.source[column])}: {weight:.2f}"
        yield Cell(row, column, weight, about)


def _text(tokens: Sequence[str]) -> str:
    return " ".join(tokens) or "(nothing)"
