"""Tags that mark spans of words: `B-X` begins a span of kind X, `I-X` continues it, `O` is outside (Ramshaw and Marcus
1995; Tjong Kim Sang and Veenstra 1999). In schemes that use them, `E-X` or `L-X` ends a span, `S-X` or `U-X` is a span
of one word, and `M-X` (of BMES) means `I-X`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_STANDARD_PLACE = {"L": "E", "U": "S", "M": "I"}
_BARE_KIND = "span"


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
_UPPERCASE = (
    PREFIX,
    _scheme(r"(?P<place>[BIESLUM])-(?P<kind>.+)"),
    _scheme(r"(?P<place>[BIESLUM])_(?P<kind>.+)"),
    _scheme(r"(?P<kind>.+)[-_](?P<place>[BIESLUM])"),
    _scheme(r"(?P<place>[BIESLUM])"),
)
_LOWERCASE = tuple(
    _scheme(scheme.pattern.pattern.replace("[BIESLUM]", "[bieslum]").replace("[BIESLU]", "[bieslu]"))
    for scheme in _UPPERCASE
)

SCHEMES = ((_UPPERCASE, "O"), (_LOWERCASE, "o"))
"""The schemes, those that are tried first before the others, and the tag outside."""


def scheme_of(names: Iterable[str]) -> TagScheme | None:
    """The scheme that all these tags follow, None if they do not mark spans. Besides `B-X` it may be `b-X`, `B_X`,
    `X-B`, `X_B` or a bare `B`, each with `O` (`o`) outside."""
    tags = set(names)
    for schemes, outside in SCHEMES:
        for scheme in schemes:
            if scheme.fits(tags - {outside}, outside in tags):
                return scheme
    return None


def mark_spans(names: Iterable[str]) -> bool:
    """Whether the tags mark spans, all of them in one scheme."""
    return scheme_of(names) is not None


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
