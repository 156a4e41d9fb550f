"""A chart of an explanation, with what it shows and what it cannot tell."""

from __future__ import annotations

from typing import NamedTuple

from seqloom.charts.figure import Figure

MOST_BARS = 40
"""Of one chart."""

MOST_BANDS = 3
"""Of one chart; more of them hide each other."""


class Section(NamedTuple):
    """`about`: what the figure shows. `limits`: what it cannot tell."""

    title: str
    figure: Figure
    about: str
    limits: str
