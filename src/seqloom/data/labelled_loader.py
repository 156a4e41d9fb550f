"""Labelled examples in batches of similar length: the input is the `source`; a row has one step with its target."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from seqloom.data.batches import Batch
from seqloom.data.frames import FrameFile
from seqloom.data.labelled import LabelledData
from seqloom.data.labels import UNSEEN
from seqloom.data.line_batches import Buckets, Resample, Row, Rows, frames_with_lengths, with_lengths
from seqloom.data.truncation import Truncation


class LabelledLoader:
    """A batch holds at most `examples` rows and, padding included, `elements` tokens or steps after truncation by `cut`
    (a single longer row is a batch of its own). `seed=None`: the same order in every epoch. `resample`: segments the
    words of a batch of texts anew. `draw`: the examples of an epoch; without it, each once."""

    def __init__(
        self,
        data: LabelledData,
        cut: Truncation,
        elements: int,
        examples: int,
        seed: int | None,
        resample: Resample | None = None,
        draw: Callable[[int], Rows] | None = None,
    ) -> None:
        self.data, self.cut, self._resample = data, cut, resample
        self._buckets = Buckets((cut.lengths(data.lengths),), elements, seed, examples, draw=draw)

    def num_steps(self, epoch: int = 0) -> int:
        return len(self._buckets.epoch(epoch))

    def batch(self, epoch: int, step: int) -> Batch:
        numbers = self._buckets.epoch(epoch)[step]
        source, lengths = self._source(numbers, epoch, step)
        # `inputs` only says how many rows there are; `seen`: an unknown class counts nothing.
        targets = torch.from_numpy(self.data.codec.targets.batch(self.data.targets.rows(numbers)))[:, None]
        inputs = torch.zeros((len(numbers), 1), dtype=torch.int64)
        seen = (targets != UNSEEN) if targets.dtype == torch.int64 else None
        return Batch(
            inputs=inputs,
            targets=targets,
            scored=None if seen is None or bool(seen.all()) else seen,
            source=source,
            source_lengths=lengths,
        )

    def _source(self, numbers: Rows, epoch: int, step: int) -> tuple[Tensor, Tensor | None]:
        if isinstance(self.data.sources, FrameFile):
            return frames_with_lengths([self.cut(row) for row in self.data.sources.rows(numbers)])
        rows: Sequence[Row] = [self.cut(row) for row in self.data.sources.rows(numbers)]
        return with_lengths(rows if self._resample is None else self._resample(rows, epoch, step))
