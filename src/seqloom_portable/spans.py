"""Tags that mark spans of words: `B-X` begins a span of the kind X, `I-X` continues it, `O` is outside (Ramshaw and
Marcus 1995); `E-X` ends one and `S-X` is a whole one; `L` and `U` mean the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_SPAN_TAG = re.compile(r"[BIESLU]-.+", flags=re.DOTALL)
_SAME = {"L": "E", "U": "S"}


class Span(NamedTuple):
    """The words from `start` on, `stop` no longer one of them."""

    kind: str
    start: int
    stop: int


def mark_spans(names: Iterable[str]) -> bool:
    """Whether all these tags are of the kind, and one at least is not `O`."""
    inside = {name for name in names if name != "O"}
    return bool(inside) and all(map(_SPAN_TAG.fullmatch, inside))


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans that a sentence's tags mark, whether the tags are legal or not: `I-X` begins a span where none of its
    kind goes on, and one that is left open ends with what follows."""
    found: list[Span] = []
    place_before, kind_before, start = "O", "", 0
    for number, tag in enumerate([*tags, "O"]):
        is_span = _SPAN_TAG.fullmatch(tag) is not None
        place, kind = (_SAME.get(tag[0], tag[0]), tag[2:]) if is_span else ("O", "")
        apart = kind != kind_before or place in "BSO" or place_before in "ESO"
        if apart and place_before != "O":
            found.append(Span(kind_before, start, number))
        if apart:
            start = number
        place_before, kind_before = place, kind
    return found
