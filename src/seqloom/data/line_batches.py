"""Batches of independent rows of similar length, padded: token ids, lines of a text, frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.batches import Batch
from seqloom.data.example import Frames
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import PAD, SOS

Row = Sequence[int] | NDArray[np.integer[Any]]
Resample = Callable[[Sequence[Row], int, int], Sequence[Row]]
"""Segments the words of the rows of a batch anew, given the epoch and the step."""

ALL_SORTED = 100
"""A value of `sort_within` that leaves next to no padding: for validation, where the order does not matter."""


def padded(rows: Sequence[Row], padding: int = PAD) -> NDArray[np.int64]:
    """(rows, longest, ...): token ids, with `padding` after the end of each row."""
    ids = np.full((len(rows), max(map(len, rows)), *np.shape(rows[0])[1:]), padding, dtype=np.int64)
    for target, row in zip(ids, rows, strict=True):
        target[: len(row)] = row
    return ids


class LineLoader:
    """Independent lines, each after `<sos>`, in batches of similar length with at most `tokens_per_batch` elements,
    padding included (a single longer line is a batch of its own). `seed=None`: the same order in every epoch.
    `resample`: segments the words of a batch anew.
    """

    def __init__(
        self, tokens: TokenFile, tokens_per_batch: int, seed: int | None, resample: Resample | None = None
    ) -> None:
        self.tokens, self._resample = tokens, resample
        self._buckets = Buckets((np.diff(tokens.offsets),), tokens_per_batch, seed)

    def num_steps(self, epoch: int = 0) -> int:
        return len(self._buckets.epoch(epoch))

    def batch(self, epoch: int, step: int) -> Batch:
        rows = self.tokens.rows(self._buckets.epoch(epoch)[step])
        return line_batch(rows if self._resample is None else self._resample(rows, epoch, step))

    def positions(self, step: int) -> NDArray[np.int64]:
        """(batch, time): which token of the text each target of a batch is."""
        rows = np.asarray(self._buckets.epoch(0)[step])
        width = int(np.diff(self.tokens.offsets)[rows].max())
        return self.tokens.offsets[rows][:, None] + np.arange(width)


def with_lengths(rows: Sequence[Row]) -> tuple[Tensor, Tensor | None]:
    """(rows, longest) ids, and the lengths of the rows if they differ."""
    return torch.from_numpy(padded(rows)), _lengths(rows)


def frames_with_lengths(rows: Sequence[Frames]) -> tuple[Tensor, Tensor | None]:
    """(rows, longest, channels), with zeros after the end of each row, and the lengths of the rows if they differ."""
    frames = np.zeros((len(rows), max(map(len, rows)), rows[0].shape[1]), np.float32)
    for target, row in zip(frames, rows, strict=True):
        target[: len(row)] = row
    return torch.from_numpy(frames), _lengths(rows)


def _lengths(rows: Sequence[Row] | Sequence[Frames]) -> Tensor | None:
    lengths = np.array([len(row) for row in rows])
    return torch.from_numpy(lengths) if bool((lengths < lengths.max()).any()) else None


def line_batch(rows: Sequence[Row]) -> Batch:
    """Rows that end in `<eos>` as a padded batch: inputs `<sos> w1 .. wn`, targets `w1 .. wn <eos>`."""
    targets, lengths = with_lengths(rows)
    inputs = torch.full_like(targets, PAD)
    inputs[:, 0] = SOS
    inputs[:, 1:] = targets[:, :-1]
    if lengths is not None:
        inputs.masked_fill_(torch.arange(inputs.shape[1]) >= lengths[:, None], PAD)
    return Batch(inputs, targets, lengths)


Rows = NDArray[np.int64]


class Buckets:
    """Batches of rows whose padded sides hold at most `elements` each (a single longer row is a batch of its own).

    `lengths`: an array for each side. `most_rows`: a batch has about so many rows at most,
    since each row counts as `elements // most_rows` elements or more; None: any number. The batches of an epoch are a
    function of `seed` and the epoch: rows are shuffled, sorted by their longer side within groups of about
    `sort_within` batches, cut into batches, and the batches are shuffled. `seed=None`: the same order in every epoch.
    `draw`: the rows of an epoch; without it, each once.
    """

    def __init__(
        self,
        lengths: tuple[NDArray[np.int64], ...],
        elements: int,
        seed: int | None,
        most_rows: int | None = None,
        sort_within: int = ALL_SORTED,
        draw: Callable[[int], Rows] | None = None,
    ) -> None:
        self._elements, self._seed, self._sort_within, self._draw = elements, seed, sort_within, draw
        # Sorted by one side alone, all rows of a batch would have equal targets, and an update learns less (LOG.md).
        self._keys = (*reversed(lengths), np.max(lengths, axis=0))
        self._least = elements // most_rows if most_rows is not None else 0
        self._plan: tuple[int, list[Rows]] = (-1, [])

    def epoch(self, number: int) -> list[Rows]:
        number = number if self._seed is not None else 0
        if self._plan[0] != number:
            self._plan = (number, self._make(number))
        return self._plan[1]

    def _make(self, epoch: int) -> list[Rows]:
        longer = self._keys[-1]
        order = np.arange(len(longer)) if self._draw is None else self._draw(epoch)
        random = None if self._seed is None else np.random.default_rng((self._seed, epoch))
        if random:
            random.shuffle(order)
        mean = max(1.0, float(np.maximum(longer[order], self._least).mean())) if len(order) else 1.0
        stretch = max(1, int(self._sort_within * self._elements / mean))
        plan: list[Rows] = []
        for start in range(0, len(order), stretch):
            rows = order[start : start + stretch]
            plan += self._cut(rows[np.lexsort([key[rows] for key in self._keys])])
        return [plan[i] for i in random.permutation(len(plan))] if random else plan

    def _cut(self, rows: Rows) -> list[Rows]:
        """Cuts sorted rows into batches within the budget."""
        longest = np.maximum(self._keys[-1][rows], self._least)
        cuts, first = [], 0
        while first < len(rows):
            widths = np.maximum.accumulate(longest[first:])
            fit = int(np.searchsorted(widths * np.arange(1, len(widths) + 1), self._elements, side="right"))
            cuts.append(rows[first : first + max(1, fit)])
            first += max(1, fit)
        return cuts
