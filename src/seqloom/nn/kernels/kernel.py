"""The contract of a fused kernel."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from seqloom.nn.matrix_product import as_right_factor
from seqloom.nn.recurrence.cell import Weights
from seqloom.nn.recurrence.pass_context import PassContext
from seqloom.nn.recurrence.step_schedule import Step


class Kernel:
    """One cell's steps, forward and backward, over rows in the order of the steps.

    `projected` (elements, gates) is what `project` made of all elements; a kernel may keep its gates there. `buffers`
    has one (working + elements, size) for each memory: first what was before, then what each step leaves.
    """

    in_place = False
    """Whether its backward pass can leave the gradients of `projected` where those numbers were: half the memory, and
    memory is what the element-wise part waits for."""

    once = False
    """Whether no other backward pass will follow, which would need what the forward pass left."""

    def __init__(self, along: PassContext, projected: Tensor, buffers: list[Tensor], weights: Weights) -> None:
        self.order, self.noise, self.norms = along
        self.projected, self.buffers, self.drop = projected, buffers, along.noise.drop
        self.recurrent = weights[0].detach() if weights[0] is not None else projected.new_empty(0, 0)
        self.transposed = as_right_factor(self.recurrent.t(), along.order.working)
        assert weights[1] is not None
        self.bias = weights[1].detach().numpy()
        self.gates = projected.numpy()
        self.arrays = [buffer.numpy() for buffer in buffers]
        self.hidden = buffers[0]
        self.dropped = self.empty(self.order.elements, self.hidden.shape[1]) if self.drop is not None else None
        # Views for all steps, made at once: slicing at every step would take as long as a small product.
        self.projected_at = projected.split_with_sizes(self.order.sizes)
        self.hidden_at = self.hidden.split_with_sizes([self.order.working, *self.order.sizes])
        self.dropped_at = None if self.dropped is None else self.dropped.split_with_sizes(self.order.sizes)

    @abstractmethod
    def forward(self, step: Step) -> None:
        """Writes the memories after `step` into the buffers."""

    def start_backward(self, gradients: list[Tensor]) -> None:  # noqa: ARG002
        """Makes room. `gradients` (working, size) will hold those of the memories from step to step."""
        self.by_projected = self.gradient_of(self.projected)
        self.by_projected_at = self.by_projected.split_with_sizes(self.order.sizes)
        self.by_bias = self.projected.new_zeros(len(self.bias))

    @abstractmethod
    def backward(self, step: Step, gradients: list[Tensor]) -> None:
        """Turns the gradients after `step` into those before it; `gradients` are the rows at work of those tensors."""

    @abstractmethod
    def weight_gradients(self) -> Weights:
        """The gradients of the weights, each as a single multiplication over all steps."""

    def gradient_of(self, kept: Tensor) -> Tensor:
        """Room for it."""
        return kept if self.in_place and self.once else torch.empty_like(kept)

    def empty(self, rows: int, columns: int) -> Tensor:
        return self.projected.new_empty(rows, columns)

    def seen(self, step: Step) -> Tensor:
        """(rows, hidden): what the recurrent matrix sees of the hidden state."""
        before = rows_of(self.hidden_at[step.number], step)
        if self.dropped_at is None or self.drop is None:
            return before
        return torch.mul(before, self.drop[: step.rows], out=self.dropped_at[step.number])

    def all_seen(self) -> Tensor:
        """(elements, hidden): the same of all steps."""
        if self.dropped is not None:
            return self.dropped
        if self.order.dense:
            return self.hidden[: self.order.elements]
        return self.hidden.index_select(0, self.order.before)

    def through_dropout(self, by_seen: Tensor) -> None:
        """From the gradient of what the recurrent matrix sees to that of the hidden state, in place."""
        if self.drop is not None:
            by_seen.mul_(self.drop[: len(by_seen)])


def rows_of(scratch: Tensor, step: Step) -> Tensor:
    """The rows of `scratch` (working, size) that are at work."""
    return scratch if len(scratch) == step.rows else scratch[: step.rows]
