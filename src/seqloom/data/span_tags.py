"""Tags that mark spans of words: `B-X` begins a span of the kind X, `I-X` goes on with it, `O` is outside (Ramshaw and
Marcus 1995; Tjong Kim Sang and Veenstra 1999). Where they are used, `E-X` ends one and `S-X` is a whole one; `L` and
`U` mean the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SPAN_TAG = re.compile(r"[BIESLU]-.+", flags=re.DOTALL)
_SAME = {"L": "E", "U": "S"}


class SpanTag(NamedTuple):
    """`place` is B, I, E, S or O; `kind` is empty outside."""

    place: str
    kind: str

    @classmethod
    def of(cls, tag: str) -> SpanTag:
        if not _SPAN_TAG.fullmatch(tag):
            return cls("O", "")
        return cls(_SAME.get(tag[0], tag[0]), tag[2:])

    def goes_on_from(self, before: SpanTag) -> bool:
        """Whether it continues the span that `before` is in, as the schemes have it."""
        return self.place in "IE" and before.place in "BI" and self.kind == before.kind


def mark_spans(names: Iterable[str]) -> bool:
    """Whether all these tags are of the kind, and one at least is not `O`."""
    inside = {name for name in names if name != "O"}
    return bool(inside) and all(map(_SPAN_TAG.fullmatch, inside))


class Span(NamedTuple):
    """The words from `start` on, `stop` no longer one of them."""

    kind: str
    start: int
    stop: int


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans that a sentence's tags mark, whether the tags are legal or not: `I-X` begins a span where none of its
    kind goes on, and one that is left open ends with what follows."""
    found: list[Span] = []
    before, start = SpanTag("O", ""), 0
    for place, tag in enumerate([*map(SpanTag.of, tags), SpanTag("O", "")]):
        apart = tag.kind != before.kind or tag.place in "BSO" or before.place in "ESO"
        if apart and before.place != "O":
            found.append(Span(before.kind, start, place))
        if apart:
            start = place
        before = tag
    return found


def legal_transitions(names: Sequence[str], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(tags + 1, tags + 1): which tag may follow which. The last row is what may come first, the last column what may
    come last. All may where tags mark no spans.

    `counts` (tags + 1, tags), with the same last row, is how often they do in the training data. It says whether the
    scheme is that in which `I-X` begins a span too (IOB1): most of them do. Single mistakes of annotation do not count.
    """
    legal = np.ones((len(names) + 1, len(names) + 1), dtype=np.bool_)
    if not mark_spans(names):
        return legal
    tags = [*map(SpanTag.of, names), SpanTag("O", "")]
    begins_inside = _begins_inside(tags, counts)
    has_ends = any(tag.place in "ES" for tag in tags)
    for i, before in enumerate(tags):
        for j, after in enumerate(tags):
            if after.goes_on_from(before):
                continue
            never_begun = after.place in "IE" and not begins_inside
            never_ended = has_ends and before.place in "BI"
            legal[i, j] = not (never_begun or never_ended)
    return legal


def _begins_inside(tags: Sequence[SpanTag], counts: NDArray[np.int64]) -> bool:
    by_inside = by_begin = 0
    for (i, j), count in np.ndenumerate(counts):
        before, after = tags[i], tags[j]
        if after.place == "B":
            by_begin += int(count)
        elif after.place == "I" and not after.goes_on_from(before):
            by_inside += int(count)
    return by_inside > by_begin
