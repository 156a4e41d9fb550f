"""A batch of sequences: what a loader yields and a task consumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.tokenizer import PAD


class Forms(NamedTuple):
    """The different words of a batch. `word_ids`: (forms,) ids in the vocabulary; `characters`: (forms, longest) ids,
    and `lengths`: (forms,) how many of them are real."""

    word_ids: Tensor
    characters: Tensor
    lengths: Tensor


class Batch(NamedTuple):
    """Rows of token ids and what is to be predicted at each step.

    `inputs`, `targets`: (batch, time) ids, or (batch, time, size) numbers. `lengths`: (batch,) real elements of
    each row, None where all are real.
    `scored`: (batch, time), True where the target counts; None where all real ones do. `source`, `source_lengths`:
    what the targets are given, where they are given something: (batch, source) ids or (batch, source, size) numbers.
    `continues`: the rows go on where the state of the batch before was carried from. `carry`: the steps after which
    that is; None is after all of them. `forms`: where words are read by their letters too, what `inputs` are numbers
    of; all rows share them.
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None = None
    scored: Tensor | None = None
    continues: bool = False
    carry: int | None = None
    source: Tensor | None = None
    source_lengths: Tensor | None = None
    forms: Forms | None = None

    @property
    def num_rows(self) -> int:
        return self.inputs.shape[0]

    def mask(self) -> Tensor | None:
        """(batch, time), True where a target counts; None where every one does."""
        if self.lengths is None:
            return self.scored
        steps = torch.arange(self.inputs.shape[1], device=self.inputs.device)
        real = steps < self.lengths[:, None]
        return real if self.scored is None else real & self.scored

    def steps(self, start: int, stop: int) -> Batch:
        """The steps `start` to `stop` of a batch whose rows are all real."""
        assert self.lengths is None
        return self._map(lambda part: part[:, start:stop])._replace(carry=None)

    def select(self, rows: Tensor) -> Batch:
        """The batch of these rows, in this order."""
        return self._map(lambda part: part[rows])

    def shard(self, rank: int, world_size: int) -> Batch:
        """The rows of one rank. The shards of all ranks are the batch; a rank left without rows gets one that does
        not count, since every rank takes part in every step."""
        if world_size == 1:
            return self
        rows = torch.tensor_split(torch.arange(self.num_rows), world_size)[rank]
        if len(rows):
            return self.select(rows)
        idle = self.select(torch.zeros(1, dtype=torch.long))
        return idle._replace(scored=torch.zeros(idle.inputs.shape[:2], dtype=torch.bool))

    def to(self, device: torch.device | str) -> Batch:
        if torch.device(device).type == "cpu":
            return self
        there = self._map(lambda part: part.to(device, non_blocking=True))
        if self.forms is None:
            return there
        return there._replace(forms=Forms(*(part.to(device, non_blocking=True) for part in self.forms)))

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        """The same batch with `function` applied to every tensor of rows."""
        return Batch._make(function(part) if isinstance(part, Tensor) else part for part in self)


Row = Sequence[int] | NDArray[np.integer[Any]]


def padded(rows: Sequence[Row], padding: int = PAD) -> NDArray[np.int64]:
    """(rows, longest): token ids, and `padding` after each row's end."""
    ids = np.full((len(rows), max(map(len, rows))), padding, dtype=np.int64)
    for target, row in zip(ids, rows, strict=True):
        target[: len(row)] = row
    return ids
