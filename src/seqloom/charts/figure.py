"""A figure: a picture with a label and the table behind it, for a page or as a file of its own."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from seqloom.charts.theme import FONT, resolve

WIDTH = 680
"""Pixels of a chart that stands in a file. On a page it is as wide as there is room."""


@dataclass(frozen=True)
class DataTable:
    """What a picture shows, as text: the names of the columns, and the rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def html(self) -> str:
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.columns)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows)
        return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


@dataclass(frozen=True)
class Figure(ABC):
    """`name` is that of its file, `label` says in one sentence what is to be seen, `table` holds the data."""

    name: str
    label: str
    table: DataTable

    @abstractmethod
    def inline_svg(self) -> str:
        """The picture with the page's CSS variables as its colours."""

    @abstractmethod
    def svg(self) -> str:
        """The picture on its own, in light colours."""

    def html(self) -> str:
        """The figure as part of a page: the picture, for screen readers its label, and the table on demand."""
        return (
            f'<figure class="chart" data-name="{escape(self.name)}">{self._picture()}\n'
            f"<details><summary>Data as a table</summary>{self.table.html()}</details></figure>"
        )

    def png(self, scale: float = 2.0) -> bytes:
        """The picture as pixels, `scale` of them for each one of the SVG, on white."""
        import vl_convert

        return vl_convert.svg_to_png(self.svg(), scale=scale)

    def _picture(self) -> str:
        return f'<div class="wide"><div role="img" aria-label="{escape(self.label)}">{self.inline_svg()}</div></div>'


@dataclass(frozen=True)
class DrawnFigure(Figure):
    """A picture that we draw ourselves: an `<svg>` element whose classes mean what `style` says."""

    drawing: str
    style: str = ""

    def inline_svg(self) -> str:
        return self.drawing

    def svg(self) -> str:
        # Whatever stands in the style of pages for all of their SVG elements stands here once more.
        style = resolve(f"svg {{ font: 12px {FONT} }} .tick, .label {{ fill: var(--soft) }} {self.style}")
        opening, content = self.drawing.split(">", 1)
        return f'{opening} xmlns="http://www.w3.org/2000/svg"><style>{style}</style>{content}'


@dataclass(frozen=True)
class AltairFigure(Figure):
    """A chart by Altair: `spec` is its Vega-Lite description, `WIDTH` pixels wide."""

    spec: dict[str, Any] = field(repr=False)

    def inline_svg(self) -> str:
        import vl_convert

        return vl_convert.vegalite_to_svg(self.spec)

    def svg(self) -> str:
        return resolve(self.inline_svg())

    def page_spec(self) -> str:
        """The description as JSON that may stand in a page, where the chart is as wide as its place."""
        spec = {**self.spec, "width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
        return json.dumps(spec, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")

    def _picture(self) -> str:
        # The static picture is seen until the script has made the live one, in its place, and where scripts are off.
        return (
            f'<div role="img" aria-label="{escape(self.label)}"><div class="plot">{self.inline_svg()}</div>'
            f'<script type="application/json" class="spec">{self.page_spec()}</script></div>'
        )
