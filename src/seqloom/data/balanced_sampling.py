"""Epochs in which every class has as many examples."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

Rows = Int[NDArray[np.int64], " rows"]


class BalancedSampling:
    """An epoch has as many examples as the data, and of each class the same number but for one: some of those of a
    frequent class, those of a rare one again and again. Over the epochs, each example of a class is drawn as often as
    the others of it, but for one time. Examples whose class is negative are never drawn. The draw is a function of
    `seed` and the epoch."""

    def __init__(self, class_ids: Rows, seed: int) -> None:
        self._seed = seed
        self._members = [np.flatnonzero(class_ids == name) for name in np.unique(class_ids[class_ids >= 0])]
        self._size = sum(map(len, self._members))

    def __call__(self, epoch: int) -> Rows:
        """The indices of the examples of an epoch, class by class."""
        count = len(self._members)
        ends = [self._size * (place + 1) // count for place in range(count)]
        shares = np.diff([0, *ends])
        return np.concatenate([self._draw(place, int(share), epoch) for place, share in enumerate(shares)])

    def _draw(self, place: int, share: int, epoch: int) -> Rows:
        """`share` members of a class, from where the epoch before ended in an endless row of permutations of them."""
        members = self._members[place]
        first, last = epoch * share, (epoch + 1) * share
        turns = range(first // len(members), -(-last // len(members)))
        row = [members[np.random.default_rng((self._seed, place, turn)).permutation(len(members))] for turn in turns]
        start = first - turns.start * len(members)
        return np.concatenate(row)[start : start + share]
