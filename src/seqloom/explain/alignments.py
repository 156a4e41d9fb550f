"""The attention of targets to their sources as a page of heat maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from seqloom.charts.figure import DataTable, DrawnFigure
from seqloom.charts.heat_map import Cell, heat_map, visible
from seqloom.charts.page import Page
from seqloom.decoding.alignment import Alignment
from seqloom.errors import SeqloomError

_FAINTEST = 0.005

_STYLE = """
nav { columns: 18rem; column-gap: 2rem; margin: 1.25rem 0 0; font-size: .9rem }
nav a { display: block; color: inherit; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
nav a:not(:hover) { text-decoration: none } nav span { color: var(--soft); display: inline-block; min-width: 1.6rem }
section { scroll-margin-top: 1rem } section h2 { overflow-wrap: anywhere } section p { overflow-wrap: anywhere }
"""


def alignments_page(alignments: Sequence[Alignment], title: str) -> Page:
    """A page with a heat map of each alignment and a list to find one; everything is escaped, nothing is loaded."""
    if not alignments:
        raise SeqloomError(
            "there are no alignments to show", expected="one or more", hint="only a model with attention has them"
        )
    links = "".join(
        f'<a href="#s{number}"><span>{number}</span>{escape(_text(alignment.source))}</a>'
        for number, alignment in enumerate(alignments, 1)
    )
    figures = [alignment_figure(alignment, f"alignment-{number}") for number, alignment in enumerate(alignments, 1)]
    sections = "\n".join(
        _section(number, alignment, figure)
        for number, (alignment, figure) in enumerate(zip(alignments, figures, strict=True), 1)
    )
    body = f"""<h1>{escape(title)}</h1>
<p class="soft">Each row is a token that was written, each column one that was read: the stronger the colour, the
more of the attention it had. The value shows at the pointer; a cell without one is below {_FAINTEST}.</p>
<nav aria-label="sentences">{links}</nav>
{sections}"""
    return Page(title, body, figures, _STYLE)


def _section(number: int, alignment: Alignment, figure: DrawnFigure) -> str:
    return f"""<section id="s{number}"><h2>{number}. {escape(_text(alignment.source))}</h2>
<p>{escape(_text(alignment.target))}</p>
{figure.html()}</section>"""


def alignment_figure(alignment: Alignment, name: str = "alignment") -> DrawnFigure:
    """A heat map with the source tokens along the top and the target tokens at the left."""
    label = f"attention of “{_text(alignment.target)}” to “{_text(alignment.source)}”"
    weights = alignment.matrix()
    return heat_map(
        name, label, alignment.target, alignment.source, _cells(weights, alignment), _table(weights, alignment)
    )


def _table(weights: NDArray[np.float64], alignment: Alignment) -> DataTable:
    """For each target token the source tokens that had most of its attention."""
    rows = []
    for token, row in zip(alignment.target, weights, strict=True):
        strongest = [place for place in np.argsort(-row, kind="stable")[:3].tolist() if row[place] >= _FAINTEST]
        rows.append([visible(token), ", ".join(f"{visible(alignment.source[p])} {row[p]:.2f}" for p in strongest)])
    return DataTable(["target token", "attends most to"], rows)


def _cells(weights: NDArray[np.float64], alignment: Alignment) -> Iterator[Cell]:
    """One for each weight that could be seen. Attention is mostly nothing, and pages are not to be larger."""
    for row, column in np.argwhere(weights >= _FAINTEST).tolist():
        weight = float(weights[row, column])
        about = f"{visible(alignment.target[row])} ← {visible(alignment.source[column])}: {weight:.2f}"
        yield Cell(row, column, weight, about)


def _text(tokens: Sequence[str]) -> str:
    return " ".join(tokens) or "(nothing)"
