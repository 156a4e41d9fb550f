"""The batches of a loader, numbered through all its epochs."""

from __future__ import annotations

from bisect import bisect_right

from seqloom.data.batches import Batch, Loader


class NumberedBatches:
    """Every batch of `loader` in the order of its epochs; each comes before one comes again."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self._before = [0]

    def before(self, epoch: int) -> int:
        """The number of batches in all epochs before this one."""
        while len(self._before) <= epoch:
            self._before.append(self._before[-1] + self.loader.num_steps(len(self._before) - 1))
        return self._before[epoch]

    def batch(self, number: int) -> Batch:
        """The batch that comes after so many others."""
        while self._before[-1] <= number:
            self.before(len(self._before))
        epoch = bisect_right(self._before, number) - 1
        return self.loader.batch(epoch, number - self._before[epoch])
