"""Labelled examples in batches of similar length: the input is the `source`, the class is the only target of a row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.batches import Batch, Buckets, Rows, with_lengths
from seqloom.data.frames import FrameFile, padded_frames
from seqloom.data.labelled import LabelledData
from seqloom.data.labels import UNSEEN
from seqloom.data.truncation import Truncation


class LabelledLoader:
    """A batch holds at most `examples` rows and, padding included, `elements` tokens or steps after truncation by `cut`
    (a single longer row is a batch of its own). `seed=None`: the same order in every epoch."""

    def __init__(self, data: LabelledData, cut: Truncation, elements: int, examples: int, seed: int | None) -> None:
        self.data, self.cut = data, cut
        lengths = cut.lengths(data.lengths)
        # A side of as many elements as the budget has for each of the most rows keeps their number within bounds.
        share = np.full_like(lengths, max(elements // examples, 1))
        self._buckets = Buckets((lengths, share), elements, seed)

    def num_steps(self, epoch: int = 0) -> int:
        return len(self._buckets.epoch(epoch))

    def batch(self, epoch: int, step: int) -> Batch:
        numbers = self._buckets.epoch(epoch)[step]
        source, lengths = self._source(numbers)
        targets = torch.from_numpy(self.data.class_ids[numbers])[:, None]
        seen = targets != UNSEEN
        return Batch(
            inputs=torch.zeros_like(targets),
            targets=targets,
            scored=None if bool(seen.all()) else seen,
            source=source,
            source_lengths=lengths,
        )

    def _source(self, numbers: Rows) -> tuple[Tensor, Tensor | None]:
        if isinstance(self.data.sources, FrameFile):
            return _frames([self.cut(row) for row in self.data.sources.rows(numbers)])
        return with_lengths([self.cut(row) for row in self.data.sources.rows(numbers)])


def _frames(rows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor | None]:
    frames, lengths = padded_frames(rows), np.array([len(row) for row in rows])
    ragged = bool((lengths < frames.shape[1]).any())
    return torch.from_numpy(frames), torch.from_numpy(lengths) if ragged else None
