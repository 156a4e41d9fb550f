"""The order in which a recurrence visits the elements of a batch: step by step, over the rows that still have elements.

Rows are sorted by falling length. The rows that take part in a step are therefore always the first ones, and the
elements of a step lie next to each other. Rows of unequal length and the backward direction need neither padding nor
packed sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqloom.nn.recurrence.types import ScheduledStep

Integers = np.ndarray[Any, np.dtype[np.int64]]


class StepSchedule:
    """The steps over a batch (batch, time), and the maps between the batch and the order of the schedule.

    `active_rows`: the number of rows with at least one element. `batch_sizes`: the number of rows in each step, as in
    torch's packed sequences. `num_elements`: their sum. `dense`: all rows have `time` elements.
    """

    def __init__(
        self, batch: int, time: int, lengths: Int[Tensor, " batch"] | None, backward: bool, device: torch.device
    ) -> None:
        self.batch, self.time, self.backward, self.device = batch, time, backward, device
        self.dense = lengths is None
        # For rows of unequal length: the active rows by falling length, the place of each element in the flattened
        # batch, and the place of each row's last element among the elements.
        self.row_order: Tensor | None = None
        self.element_index: Tensor | None = None
        self.last_index: Tensor | None = None
        if lengths is not None:
            self.active_rows, self.batch_sizes = self._sort_by_length(lengths.cpu().numpy())
        else:
            self.active_rows, self.batch_sizes = batch, [batch] * time
            if backward:
                self.element_index = self._tensor((np.arange(batch) * time + np.arange(time)[::-1, None]).ravel())
        self.num_elements = sum(self.batch_sizes)

    def _sort_by_length(self, lengths: Integers) -> tuple[int, list[int]]:
        """The number of active rows, and the number of rows in each step."""
        row_order = np.argsort(-lengths, kind="stable")[: int((lengths > 0).sum())]
        sorted_lengths = lengths[row_order]
        longest = int(sorted_lengths[0]) if len(row_order) else 0
        batch_sizes = np.searchsorted(-sorted_lengths, -np.arange(longest), side="left")
        step, row = np.nonzero(np.arange(longest)[:, None] < sorted_lengths[None, :])
        position = sorted_lengths[row] - 1 - step if self.backward else step
        starts = np.cumsum(batch_sizes) - batch_sizes
        self.row_order = self._tensor(row_order)
        self.element_index = self._tensor(row_order[row] * self.time + position)
        self.last_index = self._tensor(starts[sorted_lengths - 1] + np.arange(len(row_order)))
        return len(row_order), batch_sizes.tolist()

    def _tensor(self, integers: Integers) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(integers, dtype=np.int64)).to(self.device)

    @cached_property
    def steps(self) -> list[ScheduledStep]:
        steps, start, previous = [], 0, 0
        for number, rows in enumerate(self.batch_sizes):
            current = self.active_rows + start
            steps.append(ScheduledStep(number, rows, start, previous, current))
            start, previous = start + rows, current
        return steps

    @cached_property
    def previous_index(self) -> Int[Tensor, " elements"]:
        """For each element, the place of its previous state in the buffer of a state."""
        ranges = [np.arange(step.previous, step.previous + step.rows) for step in self.steps]
        return self._tensor(np.concatenate(ranges))

    def pack(self, sequence: Float[Tensor, "batch time size"]) -> Float[Tensor, "elements size"]:
        """The elements in the order of the schedule."""
        if self.element_index is None:
            return sequence.transpose(0, 1).reshape(self.num_elements, sequence.shape[2])
        return _Pack.apply(sequence.flatten(0, 1), self.element_index)  # type: ignore[no-untyped-call]

    def unpack(self, elements: Float[Tensor, "elements size"]) -> Float[Tensor, "batch time size"]:
        """The elements at their places in the batch, and zeros in the padding."""
        if self.element_index is None:
            return elements.view(self.time, self.batch, elements.shape[1]).transpose(0, 1)
        unpacked = _Unpack.apply(elements, self.element_index, self.batch * self.time)  # type: ignore[no-untyped-call]
        return unpacked.view(self.batch, self.time, elements.shape[1])

    def unpack_copy(self, elements: Float[Tensor, "elements size"]) -> Float[Tensor, "batch time size"]:
        """Like `unpack`, as a contiguous tensor that shares no memory with `elements`."""
        unpacked = self.unpack(elements)
        return unpacked if self.element_index is not None else unpacked.clone(memory_format=torch.contiguous_format)

    def split_by_step(self, sequence: Float[Tensor, "batch time size"]) -> Sequence[Float[Tensor, "rows size"]]:
        """The elements of each step."""
        return self.pack(sequence).split_with_sizes(self.batch_sizes)

    def pack_state(self, state: Float[Tensor, "batch size"]) -> Float[Tensor, "active size"]:
        """The state of the active rows, in the order of the schedule."""
        return state if self.row_order is None else state.index_select(0, self.row_order)

    def unpack_state(
        self, state: Float[Tensor, "batch size"], new: Float[Tensor, "active size"]
    ) -> Float[Tensor, "batch size"]:
        """`state` with its active rows replaced by `new`, which is converted to the dtype of `state`."""
        new = new.to(state.dtype)
        return new if self.row_order is None else state.index_copy(0, self.row_order, new)

    def last_states(self, states: Float[Tensor, "elements size"]) -> Float[Tensor, "active size"]:
        """Of the states after every step, each row's state after its last step."""
        return (
            states[len(states) - self.active_rows :]
            if self.last_index is None
            else states.index_select(0, self.last_index)
        )


class _Pack(torch.autograd.Function):
    """index_select whose gradient copies instead of adding: no row is selected twice."""

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


class _Unpack(torch.autograd.Function):
    """The inverse of _Pack."""

    @staticmethod
    def forward(ctx: Any, elements: Tensor, index: Tensor, rows: int) -> Tensor:
        ctx.save_for_backward(index)
        return elements.new_zeros(rows, elements.shape[1]).index_copy_(0, index, elements)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        return gradient.index_select(0, index), None, None
