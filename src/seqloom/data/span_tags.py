"""Tags that mark spans of words: `B-X` begins a span of kind X, `I-X` continues it, `O` is outside (Ramshaw and Marcus
1995; Tjong Kim Sang and Veenstra 1999). In schemes that use them, `E-X` or `L-X` ends a span, `S-X` or `U-X` is a span
of one word, and `M-X` (of BMES) means `I-X`."""

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
"""Tags outside the scheme of the others are probably mistakes if at most this share of the tokens has them."""


class SpanTag(NamedTuple):
    """`place` is B, I, E, S or O; `kind` is empty outside."""

    place: str
    kind: str

    def continues(self, before: SpanTag) -> bool:
        """Whether the tag continues the span that `before` is in."""
        return self.place in "IE" and before.place in "BI" and self.kind == before.kind


OUTSIDE = SpanTag("O", "")


@dataclass(frozen=True)
class TagScheme:
    """How tags are written. `pattern` has the groups `place` and, unless tags are bare, `kind`."""

    pattern: re.Pattern[str]

    def parse(self, tag: str) -> SpanTag:
        """The parsed tag; a tag outside the scheme is `OUTSIDE`."""
        match = self.pattern.fullmatch(tag)
        if match is None:
            return OUTSIDE
        place = match["place"].upper()
        return SpanTag(_STANDARD_PLACE.get(place, place), match.groupdict().get("kind", _BARE_KIND))

    def matches(self, tag: str) -> bool:
        return self.pattern.fullmatch(tag) is not None

    def fits(self, inside: Collection[str], has_outside: bool) -> bool:
        """Whether all tags `inside` spans follow the scheme and use its places as such schemes do."""
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
    """The scheme that all these tags follow, None if they do not mark spans. Besides `B-X` it may be `b-X`, `B_X`,
    `X-B`, `X_B` or a bare `B`, each with `O` (`o`) outside."""
    tags = set(names)
    for schemes, outside in ((_SCHEMES, "O"), (_LOWERCASE, "o")):
        for scheme in schemes:
            if scheme.fits(tags - {outside}, outside in tags):
                return scheme
    return None


def mark_spans(names: Iterable[str]) -> bool:
    """Whether the tags mark spans, all of them in one scheme."""
    return scheme_of(names) is not None


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
            "a tag does not mark spans as the others do, so the model has no CRF, and spans are not scored",
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
    """The spans that the tags of a sentence mark, also if the tags are not legal: `I-X` begins a span if no span of its
    kind is open, and an open span ends before a tag that does not continue it."""
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
