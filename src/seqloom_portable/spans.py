"""Tags that mark spans of words: `B-X` begins a span of type X, `I-X` continues it, `O` is outside (Ramshaw and Marcus
1995); `E-X` ends a span and `S-X` is a span of one word; `L` and `U` mean the same as `E` and `S`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_SPAN_TAG = re.compile(r"[BIESLU]-.+", flags=re.DOTALL)
_SAME = {"L": "E", "U": "S"}


class Span(NamedTuple):
    """A span from the word `start` up to, but not including, the word `stop`."""

    kind: str
    start: int
    stop: int


def mark_spans(names: Iterable[str]) -> bool:
    """Whether all names are span tags and at least one is not `O`."""
    inside = {name for name in names if name != "O"}
    return bool(inside) and all(map(_SPAN_TAG.fullmatch, inside))


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans that the tags of a sentence mark, also if the tags are not well formed: an `I-X` without a span of its
    type before it begins one, and a span without an end ends where another tag follows."""
    marked: list[Span] = []
    place_before, kind_before, start = "O", "", 0
    for number, tag in enumerate([*tags, "O"]):
        is_span = _SPAN_TAG.fullmatch(tag) is not None
        place, kind = (_SAME.get(tag[0], tag[0]), tag[2:]) if is_span else ("O", "")
        apart = kind != kind_before or place in "BSO" or place_before in "ESO"
        if apart and place_before != "O":
            marked.append(Span(kind_before, start, number))
        if apart:
            start = number
        place_before, kind_before = place, kind
    return marked
