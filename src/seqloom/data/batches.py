"""Batches of sequences, and the loaders that make them.

An epoch is a list of steps; the batch of step i is a function of (seed, epoch, i) alone, so that runs resume exactly.
A text is read here as parallel streams whose state is carried from batch to batch (truncated back-propagation through
time); `line_batches` has the batches of independent lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, PAD


class Forms(NamedTuple):
    """The distinct words of a batch. `word_ids`: (forms,) ids in the vocabulary; `characters`: (forms, longest) ids;
    `lengths`: (forms,) real characters of each word; None if all are real."""

    word_ids: Tensor
    characters: Tensor
    lengths: Tensor | None


class Batch(NamedTuple):
    """Rows of inputs and the targets at each step.

    `inputs`, `targets`: (batch, time) ids, or (batch, time, size) numbers. `lengths`: (batch,) real elements of
    each row; None if all are real.
    `scored`: (batch, time), True where the target counts; None if all real ones do. `source`, `source_lengths`: the
    source that the targets depend on, if there is one: (batch, source) ids or (batch, source, size) numbers.
    `continues`: the rows start from the state that the previous batch carried. `carry`: the number of steps after which
    the state is carried to the next batch; None: after all. `forms`: if words are also read by their characters, the
    distinct words that `inputs` number; all rows share them. `apart`: the rows are of other data than those of the
    batches before and after; the next batch does not start from their state. `auxiliary`: (batch, time, columns) more
    targets of each step, -1 where there is none, from which a network learns in training only. `beside`: a batch
    without targets, from which it learns in the same update.
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
    apart: bool = False
    auxiliary: Tensor | None = None
    beside: Batch | None = None

    @property
    def num_rows(self) -> int:
        return self.inputs.shape[0]

    @property
    def source_or_inputs(self) -> tuple[Tensor, Tensor | None]:
        """The source and its lengths, or the inputs and theirs where there is no source."""
        return (self.inputs, self.lengths) if self.source is None else (self.source, self.source_lengths)

    def mask(self) -> Tensor | None:
        """(batch, time), True where a target counts; None if all count."""
        if self.lengths is None:
            return self.scored
        steps = torch.arange(self.inputs.shape[1], device=self.inputs.device)
        real = steps < self.lengths[:, None]
        return real if self.scored is None else real & self.scored

    def steps(self, start: int, stop: int) -> Batch:
        """The steps `start` to `stop` of a batch without padding."""
        assert self.lengths is None
        return self._map(lambda part: part[:, start:stop])._replace(carry=None)

    def select(self, rows: Tensor) -> Batch:
        """The batch of these rows, in this order."""
        return self._map(lambda part: part[rows])

    def shard(self, rank: int, world_size: int) -> Batch:
        """The rows of one rank. Together, the shards of all ranks are the batch. A rank without rows gets one that does
        not count, because every rank takes part in every step."""
        if world_size == 1:
            return self
        rows = torch.tensor_split(torch.arange(self.num_rows), world_size)[rank]
        beside = None if self.beside is None else self.beside.shard(rank, world_size)
        if len(rows):
            return self.select(rows)._replace(beside=beside)
        idle = self.select(torch.zeros(1, dtype=torch.long))
        return idle._replace(scored=torch.zeros(idle.inputs.shape[:2], dtype=torch.bool), beside=beside)

    def to(self, device: torch.device | str) -> Batch:
        if torch.device(device).type == "cpu":
            return self
        there = self._map(lambda part: part.to(device, non_blocking=True))
        if self.beside is not None:
            there = there._replace(beside=self.beside.to(device))
        if self.forms is None:
            return there
        parts = (part if part is None else part.to(device, non_blocking=True) for part in self.forms)
        return there._replace(forms=Forms._make(parts))

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        """The same batch with `function` applied to every tensor of rows."""
        return Batch._make(function(part) if isinstance(part, Tensor) else part for part in self)


class Loader(Protocol):
    def num_steps(self, epoch: int) -> int: ...
    def batch(self, epoch: int, step: int) -> Batch: ...


def have_one_shape(loader: Loader) -> bool:
    """Whether the batches of a loader have no padding and one shape, but for a few at the beginning and end of an
    epoch; told by the four in its middle."""
    steps = loader.num_steps(0)
    middle = range(max(steps // 2 - 2, 1), min(steps // 2 + 2, steps - 1)) or range(1)
    batches = [loader.batch(0, step) for step in middle]
    padded = any(batch.lengths is not None or batch.source_lengths is not None for batch in batches)
    return not padded and len({(batch.inputs.shape, batch.source_or_inputs[0].shape) for batch in batches}) == 1


@dataclass(frozen=True)
class PhasedLoader:
    """The batches of `early` in the first `epochs`, and those of `late` from then on."""

    early: Loader
    late: Loader
    epochs: int

    def _of(self, epoch: int) -> Loader:
        return self.early if epoch < self.epochs else self.late

    def num_steps(self, epoch: int) -> int:
        return self._of(epoch).num_steps(epoch)

    def batch(self, epoch: int, step: int) -> Batch:
        return self._of(epoch).batch(epoch, step)


@dataclass(frozen=True)
class StreamLoader:
    """`batch_size` parallel streams through the text with `advance` new steps per batch; each row continues where it
    ended in the previous batch.

    Truncated back-propagation through time (Williams and Peng 1990, BPTT(h; h')): `advance` is k1, the steps between
    two updates, and `horizon` is k2, the steps that gradients flow back. If `horizon` is larger, a batch begins with
    steps of the previous batch, which are not scored again. The first batch of an epoch is shorter by a random amount,
    so that the cuts differ between epochs; the last tokens (fewer than `batch_size`) that do not fill a row are left
    out.
    """

    tokens: TokenFile
    batch_size: int
    horizon: int
    seed: int
    advance: int = 0

    def _advance(self) -> int:
        return self.advance or self.horizon

    def _rows(self) -> tuple[int, int]:
        rows = max(1, min(self.batch_size, len(self.tokens) // 2))
        return rows, len(self.tokens) // rows

    def _first_length(self, epoch: int) -> int:
        return self._advance() - int(np.random.default_rng((self.seed, epoch)).integers(self._advance()))

    def _new_steps(self, epoch: int, step: int) -> tuple[int, int]:
        """The first step that a batch scores, and the end of the batch."""
        first, advance = self._first_length(epoch), self._advance()
        start = 0 if step == 0 else first + (step - 1) * advance
        return start, min(first + step * advance, self._rows()[1])

    def _begin(self, epoch: int, step: int) -> int:
        """The first step of a batch: before its new steps are those through which gradients still flow."""
        return max(0, self._new_steps(epoch, step)[0] - (self.horizon - self._advance()))

    def num_steps(self, epoch: int) -> int:
        remaining = self._rows()[1] - self._first_length(epoch)
        return 1 + max(0, -(-remaining // self._advance()))

    def batch(self, epoch: int, step: int) -> Batch:
        rows, length = self._rows()
        start, stop = self._new_steps(epoch, step)
        begin = self._begin(epoch, step)
        inputs, targets = _window(self.tokens, np.arange(rows) * length, begin, stop)
        if self._advance() == self.horizon:
            return Batch(inputs, targets, continues=step > 0)
        scored = (torch.arange(begin, stop) >= start).expand(rows, -1)
        return Batch(inputs, targets, None, scored, step > 0, self._carry(epoch, step, stop - begin))

    def _carry(self, epoch: int, step: int, width: int) -> int | None:
        """The number of steps of a batch after which the next one begins; None: all."""
        ahead = self._begin(epoch, step + 1) - self._begin(epoch, step)
        return ahead if ahead < width else None


@dataclass(frozen=True)
class ExactStreamLoader:
    """The whole text as parallel streams in which each token is scored once. Each row begins with `context` unscored
    tokens, so that cutting the text into rows does not change what is measured."""

    tokens: TokenFile
    batch_size: int
    horizon: int
    context: int = 64

    def _rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The first position, the first scored position and the end of each row."""
        rows = max(1, min(self.batch_size, len(self.tokens) // max(1, 2 * self.context)))
        scored_each = max(1, -(-len(self.tokens) // rows))
        first_scored = np.arange(0, len(self.tokens), scored_each, dtype=np.int64)
        ends = np.minimum(first_scored + scored_each, len(self.tokens))
        return np.maximum(first_scored - self.context, 0), first_scored, ends

    def num_steps(self, epoch: int = 0) -> int:  # noqa: ARG002
        starts, _, ends = self._rows()
        return -(-int((ends - starts).max()) // self.horizon) if len(self.tokens) else 0

    def batch(self, epoch: int, step: int) -> Batch:  # noqa: ARG002
        starts, first_scored, ends = self._rows()
        begin = step * self.horizon
        lengths = np.clip(ends - starts - begin, 0, self.horizon)
        width = int(lengths.max())
        inputs, targets = _window(self.tokens, starts, begin, begin + width)
        positions = starts[:, None] + begin + np.arange(width)
        scored = torch.from_numpy((positions >= first_scored[:, None]) & (np.arange(width) < lengths[:, None]))
        ragged = bool((lengths < width).any())
        return Batch(
            inputs,
            targets,
            lengths=torch.from_numpy(lengths) if ragged else None,
            scored=None if bool(scored.all()) else scored,
            continues=step > 0,
        )

    def positions(self, step: int) -> NDArray[np.int64]:
        """(batch, time): which token of the text each target of a batch is."""
        starts, _, ends = self._rows()
        begin = step * self.horizon
        width = int(np.clip(ends - starts - begin, 0, self.horizon).max())
        return starts[:, None] + begin + np.arange(width)


def _window(tokens: TokenFile, rows: NDArray[np.int64], start: int, stop: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets for the steps `start` to `stop` after the first position of each row. The first input of a
    stream is `<eos>`, as at the start of a new text. After the end of the text there is padding."""
    window = np.full((len(rows), stop - start + 1), PAD, dtype=np.int64)
    for i, row in enumerate(rows):
        first = row + start - 1
        ids = tokens.ids[max(first, 0) : row + stop]
        window[i, int(first < 0) : int(first < 0) + len(ids)] = ids
        if first < 0:
            window[i, 0] = EOS
    return torch.from_numpy(np.ascontiguousarray(window[:, :-1])), torch.from_numpy(window[:, 1:].copy())
