"""Batches of sentences whose words are read by their letters too: each different word of a batch once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from seqloom.data.batches import Batch, Buckets, padded
from seqloom.data.labels import UNSEEN
from seqloom.data.lexicon import Lexicon
from seqloom.data.tagged import TaggedFile


class SentenceLoader:
    """Sentences of like length together: a batch holds at most `tokens_per_batch` words, padding included. `seed=None`
    keeps one order."""

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
    """Sentences as numbers of the lexicon's words, in a batch whose `inputs` are numbers of its own forms; none of its
    targets is known."""
    distinct, places = np.unique(np.concatenate(rows), return_inverse=True)
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    real = np.arange(lengths.max()) < lengths[:, None]
    inputs = np.zeros(real.shape, dtype=np.int64)
    inputs[real] = places.ravel()
    targets = torch.full(real.shape, UNSEEN)
    ragged = None if real.all() else torch.from_numpy(lengths)
    return Batch(torch.from_numpy(inputs), targets, ragged, forms=lexicon.forms(distinct))
