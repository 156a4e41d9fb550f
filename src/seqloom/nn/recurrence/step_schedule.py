"""The order in which a recurrence works through a batch: step by step, over the rows that still have elements.

Rows stand by falling length, so those at work at a step are always the first, and a step's elements lie together. It
holds rows of unequal length and the backward direction without padding and without packed sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

Numbers = np.ndarray[Any, np.dtype[np.int64]]


class Step(NamedTuple):
    """Where the `rows` rows of a step are: their elements from `start` on, and in a memory's buffer, which begins with
    the memories before the first step, what they go on from at `before` and what they leave at `now`."""

    number: int
    rows: int
    start: int
    before: int
    now: int


class StepSchedule:
    """The steps over a batch (batch, time), and what brings elements and memories into their order and back."""

    def __init__(
        self, batch: int, time: int, lengths: Int[Tensor, " batch"] | None, backward: bool, device: torch.device
    ) -> None:
        self.batch, self.time, self.backward, self.device = batch, time, backward, device
        self.dense = lengths is None
        # For rows of unequal length: those that have elements, where each element lies in the batch, and where each
        # row's last one is among the elements.
        self.rows: Tensor | None = None
        self.index: Tensor | None = None
        self.last: Tensor | None = None
        if lengths is not None:
            self.working, self.sizes = self._by_falling_length(lengths.cpu().numpy())
        else:
            self.working, self.sizes = batch, [batch] * time
            if backward:
                self.index = self._tensor((np.arange(batch) * time + np.arange(time)[::-1, None]).ravel())
        self.elements = sum(self.sizes)

    def _by_falling_length(self, lengths: Numbers) -> tuple[int, list[int]]:
        """How many rows have elements, and how many have one at each step."""
        rows = np.argsort(-lengths, kind="stable")[: int((lengths > 0).sum())]
        ordered = lengths[rows]
        longest = int(ordered[0]) if len(rows) else 0
        sizes = np.searchsorted(-ordered, -np.arange(longest), side="left")
        step, row = np.nonzero(np.arange(longest)[:, None] < ordered[None, :])
        place = ordered[row] - 1 - step if self.backward else step
        starts = np.cumsum(sizes) - sizes
        self.rows = self._tensor(rows)
        self.index = self._tensor(rows[row] * self.time + place)
        self.last = self._tensor(starts[ordered - 1] + np.arange(len(rows)))
        return len(rows), sizes.tolist()

    def _tensor(self, numbers: Numbers) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(numbers, dtype=np.int64)).to(self.device)

    @cached_property
    def steps(self) -> list[Step]:
        found, start, before = [], 0, 0
        for number, rows in enumerate(self.sizes):
            found.append(Step(number, rows, start, before, self.working + start))
            start, before = start + rows, self.working + start
        return found

    @cached_property
    def before(self) -> Tensor:
        """Where in a buffer each element finds the memory that its step goes on from."""
        return self._tensor(np.concatenate([np.arange(step.before, step.before + step.rows) for step in self.steps]))

    def take(self, sequence: Float[Tensor, "batch time size"]) -> Float[Tensor, "elements size"]:
        """The elements in the order of the steps."""
        if self.index is None:
            return sequence.transpose(0, 1).reshape(self.elements, sequence.shape[2])
        return _Take.apply(sequence.flatten(0, 1), self.index)  # type: ignore[no-untyped-call]

    def put(self, elements: Float[Tensor, "elements size"]) -> Float[Tensor, "batch time size"]:
        """The elements at their places, and zeros in the padding."""
        if self.index is None:
            return elements.view(self.time, self.batch, elements.shape[1]).transpose(0, 1)
        laid = _Put.apply(elements, self.index, self.batch * self.time)  # type: ignore[no-untyped-call]
        return laid.view(self.batch, self.time, elements.shape[1])

    def laid_out(self, elements: Float[Tensor, "elements size"]) -> Float[Tensor, "batch time size"]:
        """What `put` gives, in memory of its own and row by row."""
        laid = self.put(elements)
        return laid if self.index is not None else laid.clone(memory_format=torch.contiguous_format)

    def by_step(self, sequence: Float[Tensor, "batch time size"]) -> Sequence[Float[Tensor, "rows size"]]:
        """The elements of each step."""
        return self.take(sequence).split_with_sizes(self.sizes)

    def first(self, memory: Float[Tensor, "batch size"]) -> Float[Tensor, "working size"]:
        """The memories of the rows that have elements, in the order of the rows."""
        return memory if self.rows is None else memory.index_select(0, self.rows)

    def back(
        self, memory: Float[Tensor, "batch size"], changed: Float[Tensor, "working size"]
    ) -> Float[Tensor, "batch size"]:
        """`memory` with the rows that have elements replaced. It keeps its type of numbers, whatever the step's was."""
        changed = changed.to(memory.dtype)
        return changed if self.rows is None else memory.index_copy(0, self.rows, changed)

    def at_last(self, after: Float[Tensor, "elements size"]) -> Float[Tensor, "working size"]:
        """Of what was left after every step, each row's after its last."""
        return after[len(after) - self.working :] if self.last is None else after.index_select(0, self.last)


class _Take(torch.autograd.Function):
    """index_select whose gradient copies rather than adds: no row is taken twice."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.rows = source.shape[0]
        return source.index_select(0, index)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        return gradient.new_zeros(ctx.rows, gradient.shape[1]).index_copy_(0, index, gradient), None


class _Put(torch.autograd.Function):
    """The opposite of _Take."""

    @staticmethod
    def forward(ctx: Any, elements: Tensor, index: Tensor, rows: int) -> Tensor:
        ctx.save_for_backward(index)
        return elements.new_zeros(rows, elements.shape[1]).index_copy_(0, index, elements)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        return gradient.index_select(0, index), None, None
