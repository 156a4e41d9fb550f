"""What all pages look like: one HTML file that loads nothing from anywhere, light or dark as the reader has it."""

from __future__ import annotations

from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #1b2230; --soft: #5b6676; --rule: #e3e7ec; --paper: #fff; --tint: #f5f7fa;
  --c0: #2264c9; --c1: #c2410c; --c2: #0f7a55; --c3: #7a4fc4; --c4: #b0306a; --c5: #0b7a91; --c6: #8a6100;
  --c7: #5b6676 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #98a4b4; --rule: #2a323d; --paper: #12161c;
  --tint: #1a2029; --c0: #6fa8ff; --c1: #ff9566; --c2: #55cfa0; --c3: #b89cff; --c4: #ff8dbb; --c5: #58c9e0;
  --c6: #e5b84b; --c7: #98a4b4 } }
* { box-sizing: border-box }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); background: var(--paper);
  max-width: 900px; margin: 2.5rem auto 4rem; padding: 0 1.25rem }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .35rem; letter-spacing: -.01em }
h2 { font-size: 1.15rem; margin: 2.75rem 0 .25rem } p { margin: .4rem 0 } .soft { color: var(--soft); font-size: .9rem }
.wide { overflow-x: auto }
svg { display: block; font: 12px system-ui, sans-serif; margin-top: .75rem }
.tick, .label { fill: var(--soft) } code { font: .88em ui-monospace, monospace }
@media print { svg { break-inside: avoid } }
"""

COLOURS = 8
"""The page's own colours, `var(--c0)` to `var(--c7)`, which can be told apart on either ground."""


def page(title: str, body: str, style: str = "") -> str:
    """The whole document. `body` is HTML, whose text is escaped; `style` is what this page has of its own."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{_STYLE}{style}</style></head><body>
{body}
</body></html>
"""
