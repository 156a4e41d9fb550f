"""Scores as tiles at the top of a page."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

TILES_STYLE = """
.scores { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1.5rem 0 }
.scores div { background: var(--tint); border-radius: 8px; padding: .7rem .9rem }
.scores b { display: block; font-size: 1.5rem; font-weight: 650; font-variant-numeric: tabular-nums }
.scores span { color: var(--soft); font-size: .85rem }
"""


def score_tiles(scores: Mapping[str, str]) -> str:
    """A tile for each score: its value as text, and its name below. Both are escaped."""
    tiles = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in scores.items())
    return f'<div class="scores">{tiles}</div>'
