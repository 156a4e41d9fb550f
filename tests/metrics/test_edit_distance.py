"""The distance against counting by hand, against the plain recursion, and as a distance."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqloom.metrics.edit_distance import edit_distance

short = st.text(alphabet="abc", max_size=12)


def by_table(a: Sequence[str], b: Sequence[str]) -> int:
    """Wagner and Fischer's table, row by row."""
    above = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (x != y)))
        above = row
    return above[-1]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("abc", "abc", 0),
        ("kitten", "sitting", 3),
        ("saturday", "sunday", 3),
        ("ab", "ba", 2),
        ("abcd", "bcda", 2),
    ],
)
def test_known_distances(a: str, b: str, expected: int) -> None:
    assert edit_distance(a, b) == expected


def test_tokens_are_compared_as_wholes() -> None:
    assert edit_distance(["HH", "AH", "L", "OW"], ["HH", "EH", "L", "OW", "Z"]) == 2
    assert edit_distance([1, 2, 3], [1, 3]) == 1


def test_every_pair_of_short_texts() -> None:
    texts = ["".join(letters) for length in range(5) for letters in itertools.product("ab", repeat=length)]
    for a, b in itertools.product(texts, repeat=2):
        assert edit_distance(a, b) == by_table(a, b), (a, b)


@given(short, short)
def test_it_is_that_of_the_table(a: str, b: str) -> None:
    assert edit_distance(a, b) == by_table(a, b)


@given(st.text(alphabet="abcd", min_size=60, max_size=140), st.text(alphabet="abcd", min_size=60, max_size=140))
def test_it_is_that_of_the_table_beyond_a_machine_word(a: str, b: str) -> None:
    assert edit_distance(a, b) == by_table(a, b)


@given(short, short, short)
def test_it_is_a_distance(a: str, b: str, c: str) -> None:
    assert edit_distance(a, b) == edit_distance(b, a)
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)
