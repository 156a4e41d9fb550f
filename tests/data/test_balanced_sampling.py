"""Balanced draws of examples: shares of classes, turns over epochs, batches."""

from __future__ import annotations

import hypothesis
import numpy as np
from hypothesis import strategies as st

from seqloom.data.balanced_sampling import BalancedSampling
from seqloom.data.line_batches import Buckets


@hypothesis.given(st.lists(st.integers(-1, 4), min_size=1, max_size=60).filter(lambda ids: max(ids) >= 0))
def test_each_class_has_its_share_and_each_example_its_turn(ids: list[int]) -> None:
    class_ids = np.array(ids)
    draw = BalancedSampling(class_ids, seed=1)
    known = class_ids[class_ids >= 0]
    drawn = np.zeros(len(class_ids), dtype=int)
    for epoch in range(5):
        rows = draw(epoch)
        assert len(rows) == len(known)
        shares = np.unique(class_ids[rows], return_counts=True)[1]
        assert np.ptp(shares) <= 1
        drawn += np.bincount(rows, minlength=len(class_ids))
    assert not drawn[class_ids < 0].any()
    for name in np.unique(known):
        assert np.ptp(drawn[class_ids == name]) <= 1


def test_draws_follow_from_seed_and_epoch() -> None:
    class_ids = np.array([0] * 90 + [1] * 10)
    first, second = BalancedSampling(class_ids, 1), BalancedSampling(class_ids, 1)
    first(0)
    assert (first(3) == second(3)).all()
    assert (first(3) != first(4)).any()
    assert (first(3) != BalancedSampling(class_ids, 2)(3)).any()


def test_batches_hold_the_drawn_rows() -> None:
    draw = BalancedSampling(np.array([0] * 90 + [1] * 10), 1)
    buckets = Buckets((np.arange(1, 101),), 400, seed=1, draw=draw)
    for epoch in range(2):
        assert sorted(np.concatenate(buckets.epoch(epoch))) == sorted(draw(epoch))
