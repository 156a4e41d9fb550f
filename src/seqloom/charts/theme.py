"""The colours and fonts of pages and charts, light and dark, and the Altair configuration made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LIGHT = {
    "ink": "#1b2230",
    "soft": "#5b6676",
    "rule": "#e3e7ec",
    "paper": "#ffffff",
    "tint": "#f5f7fa",
    "c0": "#246cfc",
    "c1": "#841800",
    "c2": "#007848",
    "c3": "#cc309c",
    "c4": "#9c6c00",
    "c5": "#540090",
    "c6": "#003c48",
    "c7": "#480c0c",
}
DARK = {
    "ink": "#e6eaf0",
    "soft": "#98a4b4",
    "rule": "#2a323d",
    "paper": "#12161c",
    "tint": "#1a2029",
    "c0": "#5490fc",
    "c1": "#fc783c",
    "c2": "#60fca8",
    "c3": "#cc60a8",
    "c4": "#fcd800",
    "c5": "#ccb4fc",
    "c6": "#c0f0f0",
    "c7": "#b48484",
}
"""`c0` to `c7` are for series. In each theme they were chosen so that any two differ by 20 or more in CIELAB, for
normal sight and for the three kinds of colour blindness (Machado et al. 2009), with a contrast of 4.5 to the paper."""

SERIES_COLOURS = 8

SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right", "triangle-left")
"""Of a series' points, beside its colour, so that none is told by colour alone."""

FONT = 'system-ui, -apple-system, "Segoe UI", sans-serif'


def series_colour(number: int) -> str:
    """The colour of the series of a `number`, as a CSS variable. The same ones come again after `SERIES_COLOURS`."""
    return f"var(--c{number % SERIES_COLOURS})"


def series_shape(number: int) -> str:
    """The shape of the points of the series of a `number`."""
    return SHAPES[number % len(SHAPES)]


def css_variables() -> str:
    """A style sheet that follows the reader's choice between light and dark."""
    light, dark = ("; ".join(f"--{name}: {colour}" for name, colour in theme.items()) for theme in (LIGHT, DARK))
    return (
        f":root {{ color-scheme: light dark; {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    )


def resolve(text: str, colours: Mapping[str, str] = LIGHT) -> str:
    """`text` with every `var(--name)` replaced by its colour, for files that stand outside of a page."""
    return re.sub(r"var\(--(\w+)\)", lambda match: colours[match[1]], text)


def altair_config() -> dict[str, Any]:
    """Colours are CSS variables: Vega passes them to the SVG as they are, and the page's theme decides."""
    labels = {"labelColor": "var(--soft)", "titleColor": "var(--soft)", "labelFontSize": 12, "titleFontSize": 12}
    return {
        "aria": False,  # the figure around the chart has a label and a table; each mark on its own would be noise
        "background": "transparent",
        "font": FONT,
        "padding": {"left": 4, "top": 18, "right": 16, "bottom": 4},
        "view": {"stroke": None},
        "axis": {
            **labels,
            "titleFontWeight": "normal",
            "domainColor": "var(--soft)",
            "tickColor": "var(--soft)",
            "gridColor": "var(--rule)",
            "labelPadding": 6,
        },
        "axisX": {"grid": False, "titlePadding": 10, "tickSize": 4, "labelOverlap": True, "labelFlush": False},
        "axisY": {
            "domain": False,
            "ticks": False,
            "titleAngle": 0,
            "titleAlign": "left",
            "titleAnchor": "end",
            "titleBaseline": "bottom",
            "titleX": -4,
            "titleY": -10,
        },
        "line": {"strokeWidth": 1.6, "strokeJoin": "round"},
        "point": {"filled": True, "opacity": 1},
        "rule": {"color": "var(--soft)"},
        "text": {"color": "var(--ink)", "fontSize": 12},
    }
