"""Groups of like length: every place once, nothing over the budget but what is too long by itself."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqloom.data.line_batches import padded
from seqloom.decoding.batching import padded_source
from seqloom_portable.batching import group_by_length


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(0, 200))
def test_groups(lengths: list[int], budget: int) -> None:
    groups = group_by_length(lengths, budget)
    assert sorted(place for group in groups for place in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[place] for place in group) <= budget
    for group, longer in itertools.pairwise(groups):
        assert max(lengths[place] for place in group) <= min(lengths[place] for place in longer)


def test_padding() -> None:
    assert padded([[7], [], [8, 9]], -1).tolist() == [[7, -1], [-1, -1], [8, 9]]
    ids, lengths = padded_source([[5, 3], np.array([3])])
    assert ids.tolist() == [[5, 3], [3, 0]]
    assert lengths.tolist() == [2, 1]
    frames, lengths = padded_source([np.ones((1, 2)), np.full((3, 2), 2.0)])
    assert frames.tolist() == [[[1, 1], [0, 0], [0, 0]], [[2, 2]] * 3]
    assert lengths.tolist() == [1, 3]
