"""Epochs in which every class has as many examples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqloom.data.line_batches import Rows


class BalancedSampling:
    """An epoch has as many examples as the data, and of each class the same number but for one: some of those of a
    frequent class, those of a rare one again and again. Over the epochs, each example of a class is drawn as often as
    the others of it, but for one time. Examples whose class is negative are never drawn. The draw is a function of
    `seed` and the epoch."""

    def __init__(self, class_ids: NDArray[np.int64], seed: int) -> None:
        self._seed = seed
        self._members = [np.flatnonzero(class_ids == i) for i in np.unique(class_ids[class_ids >= 0])]
        self._size = sum(map(len, self._members))

    def __call__(self, epoch: int) -> Rows:
        """The indices of the examples of an epoch, class by class."""
        count = len(self._members)
        shares = np.diff(self._size * np.arange(count + 1) // count)
        return np.concatenate([self._draw(place, int(share), epoch) for place, share in enumerate(shares)])

    def _draw(self, place: int, share: int, epoch: int) -> Rows:
        """`share` members of a class, from where the epoch before ended: one permutation of them follows another."""
        members = self._members[place]
        number, start = divmod(epoch * share, len(members))
        count = -(-(start + share) // len(members))
        permutations = [
            np.random.default_rng((self._seed, place, i)).permutation(members) for i in range(number, number + count)
        ]
        return np.concatenate(permutations)[start : start + share]
