"""Data of an earlier training mixed into a new one, against forgetting (experience replay; Robins 1995)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from seqloom.data.batches import Batch, Loader


@dataclass(frozen=True)
class ReplayLoader:
    """The batches of `new`, with batches of `old` spread evenly among them: a share `steps` of all. Which batch comes
    at a step depends on the epoch and the step alone, and every batch of `old` comes before one comes again."""

    new: Loader
    old: Loader
    steps: float
    _new_before: list[int] = field(default_factory=lambda: [0], repr=False)
    _old_before: list[int] = field(default_factory=lambda: [0], repr=False)

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
        number = self._replayed_before(epoch) + before
        old_epoch = _last_at_most(self._old_before, number, self.old.num_steps)
        batch = self.old.batch(old_epoch, number - self._old_before[old_epoch])
        return batch._replace(continues=False, apart=True)

    def _replayed(self, epoch: int) -> int:
        return self._replayed_before(epoch + 1) - self._replayed_before(epoch)

    def _replayed_before(self, epoch: int) -> int:
        """The batches of `old` in all epochs before this one."""
        while len(self._new_before) <= epoch:
            self._new_before.append(self._new_before[-1] + self.new.num_steps(len(self._new_before) - 1))
        return int(self._new_before[epoch] * self.steps / (1 - self.steps))


def _last_at_most(before: list[int], number: int, num_steps: Callable[[int], int]) -> int:
    """The epoch of a step that comes after `number` others. `before`: the steps before each epoch, as far as known."""
    while before[-1] <= number:
        before.append(before[-1] + num_steps(len(before) - 1))
    epoch = len(before) - 2
    while before[epoch] > number:
        epoch -= 1
    return epoch
