"""The contract of a fused kernel."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from seqloom.nn.matrix_product import as_right_factor
from seqloom.nn.recurrence.pass_context import PassContext
from seqloom.nn.recurrence.types import ScheduledStep, Weights


class Kernel:
    """One cell's steps, forward and backward, over rows in the order of a step schedule.

    `projected` (elements, gates) is the result of the cell's `project` for all elements; a kernel may overwrite it with
    its gates. `buffers` has one (active + elements, size) for each state: the initial states, then those after each
    step. Gradients are named `grad_` and the name of the tensor.
    """

    in_place = False
    """Whether the backward pass can write the gradients of `projected` into `projected` itself. That halves the memory
    traffic, which limits the elementwise part."""

    last_backward = False
    """Whether no other backward pass will follow that needs the results of the forward pass."""

    def __init__(self, context: PassContext, projected: Tensor, buffers: list[Tensor], weights: Weights) -> None:
        self.schedule, self.noise, self.gradient_norms = context
        self.projected, self.buffers, self.dropout_mask = projected, buffers, context.noise.dropout_mask
        self.recurrent = weights[0].detach() if weights[0] is not None else projected.new_empty(0, 0)
        self.recurrent_t = as_right_factor(self.recurrent.t(), self.schedule.active_rows)
        assert weights[1] is not None
        self.bias = weights[1].detach().numpy()
        self.gates = projected.numpy()
        self.buffer_arrays = [buffer.numpy() for buffer in buffers]
        self.hidden = buffers[0]
        drops, size = self.dropout_mask is not None, self.hidden.shape[1]
        self.dropped = self.empty(self.schedule.num_elements, size) if drops else None
        # Views of all steps, made at once: slicing at every step would cost as much as a small product.
        batch_sizes = self.schedule.batch_sizes
        self.projected_by_step = projected.split_with_sizes(batch_sizes)
        self.hidden_by_step = self.hidden.split_with_sizes([self.schedule.active_rows, *batch_sizes])
        self.dropped_by_step = None if self.dropped is None else self.dropped.split_with_sizes(batch_sizes)

    @abstractmethod
    def forward(self, step: ScheduledStep) -> None:
        """Writes the states after `step` into the buffers."""

    def start_backward(self, gradients: list[Tensor]) -> None:  # noqa: ARG002
        """Allocates the gradients. `gradients` (active, size) will hold those of the states from step to step."""
        self.grad_projected = self.allocate_gradient(self.projected)
        self.grad_projected_by_step = self.grad_projected.split_with_sizes(self.schedule.batch_sizes)
        self.grad_bias = self.projected.new_zeros(len(self.bias))

    @abstractmethod
    def backward(self, step: ScheduledStep, gradients: list[Tensor]) -> None:
        """Turns the gradients of the states after `step` into those of the states before it, in place. `gradients` has
        the rows of the step."""

    @abstractmethod
    def weight_gradients(self) -> Weights:
        """The gradients of the weights, each as a single product over all steps."""

    def allocate_gradient(self, tensor: Tensor) -> Tensor:
        """A tensor for the gradient of `tensor`: `tensor` itself where it may be overwritten."""
        return tensor if self.in_place and self.last_backward else torch.empty_like(tensor)

    def empty(self, rows: int, columns: int) -> Tensor:
        return self.projected.new_empty(rows, columns)

    def recurrent_input(self, step: ScheduledStep) -> Tensor:
        """(rows, hidden): the previous hidden state as the recurrent matrix takes it, after dropout."""
        previous = rows_of(self.hidden_by_step[step.number], step)
        if self.dropped_by_step is None or self.dropout_mask is None:
            return previous
        return torch.mul(previous, self.dropout_mask[: step.rows], out=self.dropped_by_step[step.number])

    def all_recurrent_inputs(self) -> Tensor:
        """(elements, hidden): `recurrent_input` of all steps."""
        if self.dropped is not None:
            return self.dropped
        if self.schedule.dense:
            return self.hidden[: self.schedule.num_elements]
        return self.hidden.index_select(0, self.schedule.previous_index)

    def dropout_backward(self, gradient: Tensor) -> None:
        """From the gradient of a recurrent input to that of the hidden state, in place."""
        if self.dropout_mask is not None:
            gradient.mul_(self.dropout_mask[: len(gradient)])


def rows_of(tensor: Tensor, step: ScheduledStep) -> Tensor:
    """The rows of `tensor` (active, size) that take part in the step."""
    return tensor if len(tensor) == step.rows else tensor[: step.rows]
