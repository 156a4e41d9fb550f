"""The positions of names in a chart, so that none covers another."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence

NAME_SIZE = 13
"""Pixels of a name's font, which is bold."""

LINE_HEIGHT = 17.0

NARROW = 250
"""Pixels of the plot on a phone: names that are apart there are apart on any page."""

_CHARACTER_WIDTH = 7.6  # an upper estimate

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


def name_width(name: str, character: float = _CHARACTER_WIDTH) -> float:
    """Pixels, about: characters of East Asian scripts are twice as wide, combining marks take no room."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in name)
    marks = sum(unicodedata.combining(character) > 0 for character in name)
    return character * (len(name) + wide - marks)


def spread(places: Sequence[float], floor: float) -> list[float]:
    """The heights moved apart, in order, so that names at them do not overlap and stay above `floor`."""
    order, moved = sorted(range(len(places)), key=places.__getitem__), list(places)
    for before, after in itertools.pairwise(order):
        moved[after] = max(moved[after], moved[before] + LINE_HEIGHT)
    limit = floor
    for index in reversed(order):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - LINE_HEIGHT
    return moved


def free_offset(x: float, y: float, name: str, occupied: list[Box], width: float, height: float) -> tuple[float, float]:
    """The offset of a name from its point, so that it covers no point and no other name. Adds its box to `occupied`.

    To the right of the point at its height, or as little above or below as possible, or to its left.
    """
    wide = name_width(name)
    heights = (sign * step * 9 for step in range(1, 12) for sign in (-1, 1))
    offsets = [(11.0, 0.0), *((9.0, float(up)) for up in heights), (-11.0 - wide, 0.0)]
    boxes = [(x + dx, y + dy - 8, x + dx + wide, y + dy + 8) for dx, dy in offsets]
    free = [
        number
        for number, (left, top, right, bottom) in enumerate(boxes)
        if left >= 0 and right <= width and top >= 0 and bottom <= height
        if all(right <= l or left >= r or bottom <= t or top >= b for l, t, r, b in occupied)  # noqa: E741
    ]
    best = free[0] if free else 0
    occupied.append(boxes[best])
    return offsets[best]
