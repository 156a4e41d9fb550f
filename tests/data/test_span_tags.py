"""Tags that mark spans: which do, which spans, and which tag may follow which in each scheme."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqloom.data.span_tags import legal_transitions
from seqloom_portable.spans import Span, mark_spans, spans

IOB2 = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")
IOBES = ("B-X", "E-X", "I-X", "O", "S-X")


@pytest.mark.parametrize(
    ("names", "do"),
    [
        (IOB2, True),
        (("O", "S-X"), True),
        (("I-X", "I-Y"), True),
        (("NOUN", "O"), False),
        (("O",), False),
        (("X-A", "O"), False),
        (("B-", "O"), False),
    ],
)
def test_which_tags_mark_spans(names: tuple[str, ...], do: bool) -> None:
    assert mark_spans(names) == do


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-X I-X O", [("X", 1, 3)]),
        ("B-X B-X", [("X", 0, 1), ("X", 1, 2)]),
        ("I-X I-X O I-X", [("X", 0, 2), ("X", 3, 4)]),
        ("B-X I-Y", [("X", 0, 1), ("Y", 1, 2)]),
        ("O I-X B-X", [("X", 1, 2), ("X", 2, 3)]),
        ("S-X S-X B-X E-X E-X", [("X", 0, 1), ("X", 1, 2), ("X", 2, 4), ("X", 4, 5)]),
        ("U-X B-X I-X L-X I-X", [("X", 0, 1), ("X", 1, 4), ("X", 4, 5)]),
        ("B-A-B I-A-B", [("A-B", 0, 2)]),
        ("O O", []),
        ("", []),
    ],
)
def test_the_spans_of_tags(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert spans(tags.split()) == [Span(*span) for span in expected]


@given(st.lists(st.sampled_from(IOB2)))
def test_spans_cover_what_is_not_outside(tags: list[str]) -> None:
    covered = {place for span in spans(tags) for place in range(span.start, span.stop)}
    assert covered == {place for place, tag in enumerate(tags) if tag != "O"}


def no_counts(names: tuple[str, ...]) -> NDArray[np.int64]:
    return np.zeros((len(names) + 1, len(names)), dtype=np.int64)


def may_follow(names: tuple[str, ...], counts: NDArray[np.int64]) -> set[tuple[str, str]]:
    """`^` is the start, `$` the end."""
    legal = legal_transitions(names, counts)
    assert legal.shape == (len(names) + 1,) * 2
    return {((*names, "^")[i], (*names, "$")[j]) for i, j in zip(*np.nonzero(legal), strict=True)}


def test_an_inside_goes_on_with_its_own_kind() -> None:
    found = may_follow(IOB2, no_counts(IOB2))
    assert {before for before, after in found if after == "I-PER"} == {"B-PER", "I-PER"}
    assert {before for before, after in found if after == "B-LOC"} == {*IOB2, "^"}
    assert {before for before, after in found if after == "$"} == {*IOB2, "^"}


def test_what_has_ends_is_ended() -> None:
    found = may_follow(IOBES, no_counts(IOBES))
    assert {after for before, after in found if before == "B-X"} == {"E-X", "I-X"}
    assert {after for before, after in found if before == "E-X"} == {"B-X", "O", "S-X", "$"}
    assert {after for before, after in found if before == "^"} == {"B-X", "O", "S-X", "$"}


def test_where_most_spans_begin_with_an_inside_they_may() -> None:
    counts = no_counts(IOB2)
    counts[IOB2.index("O"), IOB2.index("I-PER")] = 5
    counts[IOB2.index("I-PER"), IOB2.index("B-PER")] = 2
    assert ("O", "I-LOC") in may_follow(IOB2, counts)
    counts[IOB2.index("O"), IOB2.index("B-PER")] = 100  # the five are mistakes
    assert ("O", "I-PER") not in may_follow(IOB2, counts)


def test_all_may_follow_where_there_are_no_spans() -> None:
    names = ("ADJ", "NOUN", "O")
    assert legal_transitions(names, no_counts(names)).all()
