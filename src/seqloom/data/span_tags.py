"""Surveys of the tags of a file, and which tag may follow which, where tags mark spans of words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import warn
from seqloom_portable.spans import OUTSIDE, SCHEMES, SpanTag, mark_spans, scheme_of

_ODD_TOKENS = 0.05
"""Tags outside the scheme of the others are probably mistakes if at most this share of the tokens has them."""


class TagSurvey:
    """Counts the tags of a file while it is read, to find the few that do not follow the scheme of the others."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._counts: Counter[str] = Counter()
        self._lines: dict[str, int] = {}

    def add(self, tags: Sequence[str], lines: Iterable[int]) -> None:
        """Adds the tags of a sentence and the numbers of their lines."""
        self._counts.update(tags)
        for tag, line in zip(tags, lines, strict=True):
            if tag not in self._lines:
                self._lines[tag] = line

    def warn_of_odd_tags(self) -> None:
        if mark_spans(self._counts):
            return
        for schemes, outside in SCHEMES:
            for scheme in schemes:
                odd = [tag for tag in self._counts if tag != outside and not scheme.matches(tag)]
                others = self._counts.keys() - odd
                few = sum(self._counts[tag] for tag in odd) <= _ODD_TOKENS * self._counts.total()
                if few and outside in others and scheme.fits(others - {outside}, has_outside=True):
                    self._warn(odd, sum(self._counts[tag] for tag in others))
                    return

    def _warn(self, odd: Sequence[str], others: int) -> None:
        first = min(odd, key=self._lines.__getitem__)
        warn(
            "a tag does not mark spans as the others do, so the model has no CRF, and spans are not scored",
            where=f"{self._path}:{self._lines[first]}",
            got=", ".join(map(repr, odd[:5])),
            expected=f"tags such as {', '.join(sorted(self._counts.keys() - set(odd))[:3])}: {others:,} words have one",
        )


def legal_transitions(names: Sequence[str], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(tags + 1, tags + 1): whether tag j may follow tag i. The last row says which tags may come first, the last
    column which may come last. Everything is legal if the tags do not mark spans.

    `counts` (tags + 1, tags), with the same last row: how often tag j follows tag i in the training data. They tell
    whether `I-X` may begin a span (IOB1), which is so if most spans begin that way; single annotation mistakes do not
    change the answer.
    """
    legal = np.ones((len(names) + 1, len(names) + 1), dtype=np.bool_)
    scheme = scheme_of(names)
    if scheme is None:
        return legal
    tags = [*map(scheme.parse, names), OUTSIDE]
    begins_inside = _begins_inside(tags, counts)
    has_ends = any(tag.place in "ES" for tag in tags)
    for i, before in enumerate(tags):
        for j, after in enumerate(tags):
            if after.continues(before):
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
        elif after.place == "I" and not after.continues(before):
            by_inside += int(count)
    return by_inside > by_begin
