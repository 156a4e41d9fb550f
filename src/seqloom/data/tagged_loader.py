"""Sequences with a tag for each element in batches of similar length: sentences, or steps of numbers; and sentences
without tags beside them."""

from __future__ import annotations

import torch

from seqloom.data.batches import Batch
from seqloom.data.labels import UNSEEN
from seqloom.data.line_batches import Buckets, padded
from seqloom.data.numbered_batches import NumberedBatches
from seqloom.data.tag_file import Tagged


class TaggedLoader:
    """A batch holds at most `elements_per_batch` words or steps, padding included. `seed=None`: the same order in every
    epoch."""

    def __init__(self, data: Tagged, elements_per_batch: int, seed: int | None) -> None:
        self.data = data
        self._buckets = Buckets((data.lengths,), elements_per_batch, seed)

    def num_steps(self, epoch: int = 0) -> int:
        return len(self._buckets.epoch(epoch))

    def batch(self, epoch: int, step: int) -> Batch:
        numbers = self._buckets.epoch(epoch)[step]
        batch = self.data.batch(self.data.rows(numbers))
        auxiliary = self.data.auxiliary_targets(numbers)
        return batch._replace(
            targets=torch.from_numpy(padded(self.data.targets(numbers), UNSEEN)),
            auxiliary=None if auxiliary is None else torch.from_numpy(padded(auxiliary, UNSEEN)),
        )


class BesideRawText:
    """The batches of `tagged`, each with the next batch of sentences without tags, `raw`, beside it."""

    def __init__(self, tagged: TaggedLoader, raw: TaggedLoader) -> None:
        self._tagged, self._raw = NumberedBatches(tagged), NumberedBatches(raw)

    def num_steps(self, epoch: int = 0) -> int:
        return self._tagged.loader.num_steps(epoch)

    def batch(self, epoch: int, step: int) -> Batch:
        number = self._tagged.before(epoch) + step
        return self._tagged.loader.batch(epoch, step)._replace(beside=self._raw.batch(number))
