"""Data of an earlier training mixed into a new one, against forgetting (experience replay; Robins 1995)."""

from __future__ import annotations

from seqloom.data.batches import Batch, Loader
from seqloom.data.numbered_batches import NumberedBatches


class ReplayLoader:
    """The batches of `new`, with batches of `old` spread evenly among them: a share `steps` of all. Which batch comes
    at a step depends on the epoch and the step alone, and every batch of `old` comes before one comes again."""

    def __init__(self, new: Loader, old: Loader, steps: float) -> None:
        self.new, self.steps = new, steps
        self._new, self._old = NumberedBatches(new), NumberedBatches(old)

    @classmethod
    def of(cls, new: Loader, old: Loader, new_targets: int, old_targets: int, share: float) -> ReplayLoader:
        """`share`: that of the targets of an epoch, of which `new` and `old` have so many."""
        per_new, per_old = new_targets / new.num_steps(0), old_targets / old.num_steps(0)
        return cls(new, old, share * per_new / (share * per_new + (1 - share) * per_old))

    def num_steps(self, epoch: int) -> int:
        return self.new.num_steps(epoch) + self._replayed(epoch)

    def batch(self, epoch: int, step: int) -> Batch:
        replayed, total = self._replayed(epoch), self.num_steps(epoch)
        before = step * replayed // total
        if (step + 1) * replayed // total == before:
            return self.new.batch(epoch, step - before)
        batch = self._old.batch(self._replayed_before(epoch) + before)
        return batch._replace(continues=False, apart=True)

    def _replayed(self, epoch: int) -> int:
        return self._replayed_before(epoch + 1) - self._replayed_before(epoch)

    def _replayed_before(self, epoch: int) -> int:
        """The batches of `old` in all epochs before this one."""
        return int(self._new.before(epoch) * self.steps / (1 - self.steps))
