"""A page: one HTML file that loads nothing from anywhere, light or dark as the reader has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path

from seqloom.charts.figure import AltairFigure, DrawnFigure, Figure
from seqloom.charts.theme import FONT, css_variables
from seqloom.files import make_folder, write_atomic

_STYLE = f"""
{css_variables()}
* {{ box-sizing: border-box }}
body {{ font: 16px/1.55 {FONT}; color: var(--ink); background: var(--paper);
  max-width: 900px; margin: 2.5rem auto 4rem; padding: 0 1.25rem }}
h1 {{ font-size: 1.75rem; line-height: 1.2; margin: 0 0 .35rem; letter-spacing: -.01em; overflow-wrap: anywhere }}
h2 {{ font-size: 1.15rem; margin: 2.75rem 0 .25rem }} p {{ margin: .4rem 0 }}
.soft {{ color: var(--soft); font-size: .9rem }} a {{ color: var(--c0) }}
.wide {{ overflow-x: auto }} code {{ font: .88em ui-monospace, monospace }}
svg {{ display: block; font: 12px {FONT} }} .tick, .label {{ fill: var(--soft) }}
:focus-visible {{ outline: 2px solid var(--c0); outline-offset: 2px }}
p, li {{ overflow-wrap: anywhere }} figure.chart {{ margin: .75rem 0 1.25rem }} .plot {{ width: 100% }}
.plot > svg {{ max-width: 100%; height: auto; overflow: visible }}
details {{ margin-top: .35rem; font-size: .85rem }}
summary {{ color: var(--soft); cursor: pointer; width: fit-content }}
details .wide {{ max-height: 24rem; overflow: auto; border: 1px solid var(--rule); margin-top: .35rem }}
details table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; width: auto; margin: 0 }}
details th, details td {{ padding: .15rem .75rem; text-align: left; border-bottom: 1px solid var(--rule);
  font-weight: inherit; white-space: nowrap }}
details th {{ position: sticky; top: 0; background: var(--tint); color: var(--soft); font-size: inherit }}
#vg-tooltip-element {{ position: fixed; visibility: hidden; z-index: 9; pointer-events: none; max-width: 24rem;
  padding: .35rem .6rem; border-radius: 6px; font-size: .85rem; color: var(--paper); background: var(--ink) }}
#vg-tooltip-element.visible {{ visibility: visible }}
@media (max-width: 500px) {{ body {{ margin-top: 1.25rem; padding: 0 .9rem }} h2 {{ margin-top: 2rem }} }}
@media print {{ figure.chart, .plot, svg {{ break-inside: avoid }} details {{ display: none }} }}
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; media-src data:"
"""The browser itself refuses whatever a page would load, and any code that is made of text."""

# `ast` has Vega walk its expressions instead of compiling them, which the policy above would not allow.
_LIVE_CHARTS = """
const tooltip = { disableDefaultStyle: true };
const options = { actions: false, ast: true, defaultStyle: false, renderer: 'svg', tooltip };
for (const spec of document.querySelectorAll('script.spec')) {
  const place = spec.previousElementSibling, still = place.innerHTML;
  vegaEmbed(place, JSON.parse(spec.textContent), options).catch(error => {
    console.error(error);
    place.innerHTML = still;
  });
}
"""


@dataclass(frozen=True)
class Page:
    """`body` is HTML in which all text is escaped and each of `figures` stands; `style` is what only this page has."""

    title: str
    body: str
    figures: Sequence[Figure] = field(default=())
    style: str = ""

    def html(self) -> str:
        """The whole document. Altair's script is in it once, where there is a chart by Altair."""
        drawn = dict.fromkeys(figure.style for figure in self.figures if isinstance(figure, DrawnFigure))
        live = any(isinstance(figure, AltairFigure) for figure in self.figures)
        script = f"<script>{_live_charts_script()}</script>\n" if live else ""
        return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(self.title)}</title><style>{_STYLE}{"".join(drawn)}{self.style}</style></head><body>
{self.body}
{script}</body></html>
"""

    def write(self, path: Path, figures: Path | None = None) -> None:
        """Writes the page to `path`, and each figure to the folder `figures` as `NAME.svg`."""
        write_atomic(path, self.html())
        if figures is not None:
            make_folder(figures)
            for figure in self.figures:
                write_atomic(figures / f"{figure.name}.svg", figure.svg())


@cache
def _live_charts_script() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script (0.9 MB; takes two seconds to put together)."""
    import vl_convert

    return vl_convert.javascript_bundle(_LIVE_CHARTS)
