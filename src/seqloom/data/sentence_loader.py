"""Batches of sentences whose words are also read by their characters; each distinct word occurs once in a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from seqloom.data.batches import Batch
from seqloom.data.labels import UNSEEN
from seqloom.data.lexicon import Lexicon
from seqloom.data.line_batches import Buckets, padded
from seqloom.data.tagged import TaggedFile


class SentenceLoader:
    """Sentences of similar length together: a batch holds at most `tokens_per_batch` words, padding included.
    `seed=None`: the same order in every epoch."""

    def __init__(self, data: TaggedFile, tokens_per_batch: int, seed: int | None) -> None:
        self.data = data
        self._buckets = Buckets((data.lengths,), tokens_per_batch, seed)

    def num_steps(self, epoch: int = 0) -> int:
        return len(self._buckets.epoch(epoch))

    def batch(self, epoch: int, step: int) -> Batch:
        numbers = self._buckets.epoch(epoch)[step]
        batch = sentence_batch(self.data.rows(numbers), self.data.lexicon)
        return batch._replace(targets=torch.from_numpy(padded(self.data.targets(numbers), UNSEEN)))


def sentence_batch(rows: Sequence[NDArray[np.int64]], lexicon: Lexicon) -> Batch:
    """A batch of sentences given as numbers of words in `lexicon`. Its `inputs` number the distinct words of the batch
    (`forms`); all targets are `UNSEEN`."""
    distinct, places = np.unique(np.concatenate(rows), return_inverse=True)
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    real = np.arange(lengths.max()) < lengths[:, None]
    inputs = np.zeros(real.shape, dtype=np.int64)
    inputs[real] = places.ravel()
    targets = torch.full(real.shape, UNSEEN)
    ragged = None if real.all() else torch.from_numpy(lengths)
    return Batch(torch.from_numpy(inputs), targets, ragged, forms=lexicon.forms(distinct))
