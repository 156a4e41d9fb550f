"""Tags that mark spans of words: `B-X` begins a span of the kind X, `I-X` continues it, `O` is outside (Ramshaw and
Marcus 1995; Tjong Kim Sang and Veenstra 1999). Where they are used, `E-X` ends a span and `S-X` is a whole one; `L` and
`U` mean the same, and `M` (of BMES) means `I`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import warn

_STANDARD_PLACE = {"L": "E", "U": "S", "M": "I"}
_BARE_KIND = "span"
_ODD_TOKENS = 0.05
"""Up to this share of the tokens, tags that are not of the scheme of all others are probably mistakes."""


class SpanTag(NamedTuple):
    """`place` is B, I, E, S or O; `kind` is empty outside."""

    place: str
    kind: str

    def continues(self, before: SpanTag) -> bool:
        """Whether it continues the span that `before` is in, as the schemes have it."""
        return self.place in "IE" and before.place in "BI" and self.kind == before.kind


OUTSIDE = SpanTag("O", "")


@dataclass(frozen=True)
class TagScheme:
    """How tags are written. `pattern` has the groups `place` and, unless tags are bare, `kind`."""

    pattern: re.Pattern[str]

    def parse(self, tag: str) -> SpanTag:
        """What is not of the scheme is outside."""
        match = self.pattern.fullmatch(tag)
        if match is None:
            return OUTSIDE
        place = match["place"].upper()
        return SpanTag(_STANDARD_PLACE.get(place, place), match.groupdict().get("kind", _BARE_KIND))

    def matches(self, tag: str) -> bool:
        return self.pattern.fullmatch(tag) is not None

    def fits(self, inside: Collection[str], has_outside: bool) -> bool:
        """Whether all the tags `inside` of spans are of the scheme, and use it as such tags do."""
        if not inside or not all(map(self.matches, inside)):
            return False
        places = {match["place"].upper() for tag in inside if (match := self.pattern.fullmatch(tag))}
        if self == PREFIX:
            return True
        # Tags of another kind, such as parts of speech, may look like this by chance.
        return (has_outside and bool(places & {"B", "S", "U"})) or {"B", "E"} <= places <= set("BMIES")


def _scheme(pattern: str) -> TagScheme:
    return TagScheme(re.compile(pattern, flags=re.DOTALL))


PREFIX = _scheme(r"(?P<place>[BIESLU])-(?P<kind>.+)")
_SCHEMES = (
    PREFIX,
    _scheme(r"(?P<place>[BIESLUM])-(?P<kind>.+)"),
    _scheme(r"(?P<place>[BIESLUM])_(?P<kind>.+)"),
    _scheme(r"(?P<kind>.+)[-_](?P<place>[BIESLUM])"),
    _scheme(r"(?P<place>[BIESLUM])"),
)
_LOWERCASE = tuple(
    _scheme(scheme.pattern.pattern.replace("[BIESLUM]", "[bieslum]").replace("[BIESLU]", "[bieslu]"))
    for scheme in _SCHEMES
)


def scheme_of(names: Iterable[str]) -> TagScheme | None:
    """The scheme that all these tags follow, None where they mark no spans. Besides `B-X` it may be `b-X`, `B_X`,
    `X-B`, `X_B` or a bare `B`, each with `O` (`o`) outside."""
    tags = set(names)
    for schemes, outside in ((_SCHEMES, "O"), (_LOWERCASE, "o")):
        for scheme in schemes:
            if scheme.fits(tags - {outside}, outside in tags):
                return scheme
    return None


def mark_spans(names: Iterable[str]) -> bool:
    """Whether tags mark spans, all of them in one scheme."""
    return scheme_of(names) is not None


class TagSurvey:
    """Counts the tags of a file as they are read, to find the few that are not of the scheme of all the others."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._counts: Counter[str] = Counter()
        self._lines: dict[str, int] = {}

    def add(self, tags: Sequence[str], lines: Iterable[int]) -> None:
        """The tags of a sentence, and the numbers of their lines."""
        self._counts.update(tags)
        for tag, line in zip(tags, lines, strict=True):
            if tag not in self._lines:
                self._lines[tag] = line

    def warn_of_odd_tags(self) -> None:
        if mark_spans(self._counts):
            return
        for schemes, outside in ((_SCHEMES, "O"), (_LOWERCASE, "o")):
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
            "a tag does not mark spans, as the others do; so the model has no CRF, and spans are not scored",
            where=f"{self._path}:{self._lines[first]}",
            got=", ".join(map(repr, odd[:5])),
            expected=f"tags such as {', '.join(sorted(self._counts.keys() - set(odd))[:3])}: {others:,} words have one",
        )


class Span(NamedTuple):
    """The words from `start` up to, but without, `stop`."""

    kind: str
    start: int
    stop: int


def spans(tags: Sequence[str], scheme: TagScheme = PREFIX) -> list[Span]:
    """The spans that a sentence's tags mark, whether the tags are legal or not: `I-X` begins a span where none of its
    kind is open, and an open one ends before what does not continue it."""
    marked: list[Span] = []
    before, start = OUTSIDE, 0
    for place, tag in enumerate([*map(scheme.parse, tags), OUTSIDE]):
        is_apart = tag.kind != before.kind or tag.place in "BSO" or before.place in "ESO"
        if is_apart and before.place != "O":
            marked.append(Span(before.kind, start, place))
        if is_apart:
            start = place
        before = tag
    return marked


def legal_transitions(names: Sequence[str], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(tags + 1, tags + 1): which tag may follow which. The last row is what may come first, the last column what may
    come last. All may where tags mark no spans.

    `counts` (tags + 1, tags), with the same last row, is how often they do in the training data. It says whether the
    scheme is that in which `I-X` begins a span too (IOB1): most of them do. Single mistakes of annotation do not count.
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
