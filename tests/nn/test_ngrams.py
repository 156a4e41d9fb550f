"""N-grams: what is counted and found is what counting by hand gives."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqloom.errors import SeqloomError
from seqloom.models.ngram_features import NGrams, learn_ngrams
from seqloom.models.ngram_union import united

VOCAB, NEVER, BEFORE = 7, (0, 1), 3

texts = st.lists(st.lists(st.integers(0, VOCAB - 1), max_size=9), min_size=1, max_size=12)


def joined(rows: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    offsets = np.cumsum([0, *map(len, rows)])
    return np.array([token for row in rows for token in row], dtype=np.int64), offsets


def by_hand(row: list[int], order: int) -> Counter[tuple[int, ...]]:
    """Every n-gram without a token of NEVER, BEFORE in front of the text."""
    whole = [BEFORE, *row]
    spans = [tuple(whole[i : i + n]) for n in range(1, order + 1) for i in range(len(whole) - n + 1)]
    return Counter(span for span in spans if not set(span) & set(NEVER))


def spelled(ngrams: NGrams) -> list[tuple[int, ...]]:
    """The tokens of each n-gram, by its number."""
    names: dict[int, tuple[int, ...]] = {}
    for token, number in enumerate(ngrams.roots.tolist()):
        if number >= 0:
            names[number] = (token,)
    for number in range(len(ngrams)):
        for child in range(int(ngrams.first_child[number]), int(ngrams.first_child[number + 1])):
            names[child] = (*names[number], int(ngrams.last_token[child]))
    return [names[number] for number in range(len(ngrams))]


@given(rows=texts, order=st.integers(1, 5), min_count=st.integers(1, 3))
def test_what_is_kept_and_found_is_counted_by_hand(rows: list[list[int]], order: int, min_count: int) -> None:
    ngrams = learn_ngrams(*joined(rows), NEVER, BEFORE, VOCAB, order, min_count, most=10**6)
    counts = sum((by_hand(row, order) for row in rows), Counter[tuple[int, ...]]())
    names = spelled(ngrams)
    assert sorted(names) == sorted(name for name, count in counts.items() if count >= min_count)
    found = ngrams.find(*joined(rows))
    for number, row in enumerate(rows):
        own = slice(found.starts[number], found.starts[number + 1])
        given_counts = {names[i]: int(count) for i, count in zip(found.ids[own], found.counts[own], strict=True)}
        assert given_counts == {name: count for name, count in by_hand(row, order).items() if name in set(names)}


@given(rows=texts, most=st.integers(1, 20))
def test_the_most_frequent_are_kept_with_their_beginnings(rows: list[list[int]], most: int) -> None:
    every = learn_ngrams(*joined(rows), NEVER, BEFORE, VOCAB, 4, 1, most=10**6)
    some = learn_ngrams(*joined(rows), NEVER, BEFORE, VOCAB, 4, 1, most)
    counts = sum((by_hand(row, 4) for row in rows), Counter[tuple[int, ...]]())
    names = spelled(some)
    assert len(names) == min(most, len(every))
    assert all(len(name) == 1 or name[:-1] in names for name in names)
    left = set(spelled(every)) - set(names)
    assert max((counts[name] for name in left), default=0) <= min((counts[name] for name in names), default=0)


def test_a_text_found_alone_or_among_others_is_the_same() -> None:
    rows = [[4, 5, 6], [], [5, 5, 5, 2]]
    ngrams = learn_ngrams(*joined(rows), NEVER, BEFORE, VOCAB, 3, 1, most=100)
    together = ngrams.find(*joined(rows))
    for number, row in enumerate(rows):
        alone = ngrams.find(*joined([row]))
        own = slice(together.starts[number], together.starts[number + 1])
        assert alone.ids.tolist() == together.ids[own].tolist()


@given(first=texts, second=texts, orders=st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_a_union_has_the_ngrams_of_both(
    first: list[list[int]], second: list[list[int]], orders: tuple[int, int]
) -> None:
    one, other = (
        learn_ngrams(*joined(rows), NEVER, BEFORE, vocab_size, order, 1, most=30)
        for rows, vocab_size, order in zip((first, second), (VOCAB, VOCAB + 2), orders, strict=True)
    )
    union = united(one, other)
    union.ngrams.check()
    assert (union.ngrams.order, len(union.ngrams.roots)) == (orders[1], VOCAB + 2)
    names = spelled(union.ngrams)
    assert names == sorted({*spelled(one), *spelled(other)}, key=lambda name: (len(name), name))
    assert [names[number] for number in union.first] == spelled(one)
    assert [names[number] for number in union.second] == spelled(other)


@pytest.mark.parametrize("damaged", ["its own child", "a child before it", "a missing child"])
def test_damaged_ngrams_are_refused(damaged: str) -> None:
    ngrams = learn_ngrams(*joined([[4, 5, 6], [4, 5, 4]]), NEVER, BEFORE, VOCAB, 3, 1, most=10**6)
    ngrams.check()
    alone = int(ngrams.first_child[0])
    if damaged == "its own child":
        ngrams.first_child[alone] = alone
    elif damaged == "a child before it":
        ngrams.first_child[1] = 0
    else:
        ngrams.first_child[-1] -= 1
    with pytest.raises(SeqloomError, match="damaged"):
        ngrams.check()
