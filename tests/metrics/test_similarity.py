"""Correlations against known values, ties, and what cannot be compared."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqloom.errors import SeqloomError
from seqloom.metrics.similarity import cosines, pearson, ranks, similarity, spearman_interval

numbers = st.lists(st.integers(-50, 50), min_size=2, max_size=30)


def angles(degrees: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of vectors with these angles between them."""
    turned = np.deg2rad(degrees)
    first = np.tile(np.array([[3.0, 0.0]], np.float32), (len(degrees), 1))
    return first, np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)


def test_ranks_share_the_mean() -> None:
    assert ranks([10, 30, 20, 30, 30]).tolist() == [1, 4, 2, 4, 4]
    assert ranks([7.5]).tolist() == [1]


@given(numbers)
def test_ranks_add_up(values: list[int]) -> None:
    assert ranks(values).sum() == len(values) * (len(values) + 1) / 2


def test_correlations_of_the_books() -> None:
    """Spearman's of the example in scipy's documentation; Pearson's of Anscombe's first quartet."""
    assert pearson(ranks([1, 2, 3, 4, 5]), ranks([5, 6, 7, 8, 7])) == pytest.approx(0.8207826817)
    x = np.array([10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5], dtype=np.float64)
    y = np.array([8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68])
    assert pearson(x, y) == pytest.approx(0.81642, abs=1e-5)


def test_cosines() -> None:
    assert cosines(*angles([0, 60, 90, 180])).tolist() == pytest.approx([1, 0.5, 0, -1], abs=1e-6)


def test_the_interval() -> None:
    low, high = spearman_interval(0.5, 103)
    half = 1.959964 * math.sqrt(1.125 / 100)
    assert (math.atanh(low), math.atanh(high)) == pytest.approx((math.atanh(0.5) - half, math.atanh(0.5) + half))
    assert spearman_interval(1.0, 5) == (1.0, 1.0)


def test_alike_as_people_say() -> None:
    found = similarity(*angles([0, 10, 20, 90, 150]), [10, 9, 7, 3, 1])
    assert (found.spearman, found.low, found.high, found.pairs, found.skipped) == (1, 1, 1, 5, 0)
    assert 0.9 < found.pearson < 1


def test_what_is_unknown_is_skipped() -> None:
    first, second = angles([0, 10, 20, 90, 150, 70])
    first[5] = second[1] = 0
    found = similarity(first, second, [10, -99, 7, 3, 1, 99])
    assert (found.spearman, found.pairs, found.skipped) == (1, 4, 2)


@pytest.mark.parametrize(
    ("degrees", "scores", "says"),
    [
        ([], [], "too few of the pairs"),
        ([1, 2, 3], [1, 2, 3], "too few of the pairs"),
        ([1, 2, 3, 4], [5, 5, 5, 5], "nothing to correlate"),
        ([9, 9, 9, 9], [1, 2, 3, 4], "nothing to correlate"),
    ],
)
def test_what_cannot_be_compared(degrees: list[float], scores: list[float], says: str) -> None:
    with pytest.raises(SeqloomError, match=says) as error:
        similarity(*angles(degrees), scores, where="pairs.tsv")
    assert error.value.where == "pairs.tsv"
