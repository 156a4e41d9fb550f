"""Fused recurrences: the contract of a kernel, and the autograd function that runs it over the steps of a schedule."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqloom.nn.kernels.numeric import ONE, Array, compiled
from seqloom.nn.matrix_product import as_right_factor, weight_gradient
from seqloom.nn.recurrence.pass_context import PassContext
from seqloom.nn.recurrence.types import ScheduledStep, States, Weights


class Kernel:
    """One cell's steps, forward and backward, over rows in the order of a step schedule.

    `projected` (elements, gates) is the result of the cell's `project` for all elements; a kernel may overwrite it with
    its gates. The recurrent matrix, the first of `weights`, may be in bfloat16; then its products are too, and all else
    is in float32. `buffers` has one (active + elements, size) for each state: the initial states, then those after each
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

    def recurrent_gradient(self, grad_product: Tensor) -> Tensor:
        """The gradient of the recurrent matrix, from that of its products with `all_recurrent_inputs`."""
        return weight_gradient(grad_product, self.all_recurrent_inputs(), self.recurrent.dtype)

    def dropout_backward(self, gradient: Tensor) -> None:
        """From the gradient of a recurrent input to that of the hidden state, in place."""
        if self.dropout_mask is not None:
            gradient.mul_(self.dropout_mask[: len(gradient)])


def rows_of(tensor: Tensor, step: ScheduledStep) -> Tensor:
    """The rows of `tensor` (active, size) that take part in the step."""
    return tensor if len(tensor) == step.rows else tensor[: step.rows]


def run_fused(
    kernel_class: type[Kernel], context: PassContext, projected: Tensor, states: States, weights: Weights
) -> tuple[Tensor, States]:
    """The outputs (batch, time, output), and the states after each row's last element. Overwrites `projected`."""
    if torch.is_grad_enabled():
        outputs, *last = FusedRecurrence.apply(  # type: ignore[no-untyped-call]
            kernel_class, context, projected, len(states), *states, *weights
        )
        return outputs, tuple(last)
    return _results(_run_forward(kernel_class, context, projected, states, weights), states)


def _run_forward(
    kernel_class: type[Kernel], context: PassContext, projected: Tensor, states: States, weights: Weights
) -> Kernel:
    """A kernel after its forward pass; its buffers hold the states after every step."""
    schedule, buffers = context.schedule, []
    for state in states:
        buffer = state.new_empty(schedule.active_rows + schedule.num_elements, state.shape[1])
        buffer[: schedule.active_rows] = schedule.pack_state(state)
        buffers.append(buffer)
    kernel = kernel_class(context, projected, buffers, weights)
    zoneout = Zoneout(context.noise.zoneout_masks, buffers)
    for step in schedule.steps:
        kernel.forward(step)
        zoneout.apply(step)
    return kernel


def _results(kernel: Kernel, states: States) -> tuple[Tensor, States]:
    """The outputs, and the states after each row's last element; a row without elements keeps its initial states.

    Nothing shares memory with the buffers: the backward pass will read them, and a caller may change its results in
    place.
    """
    schedule = kernel.schedule
    after = [buffer[schedule.active_rows :] for buffer in kernel.buffers]
    last = [schedule.unpack_state(state, schedule.last_states(new)) for state, new in zip(states, after, strict=True)]
    return schedule.unpack_copy(after[0]), tuple(state.clone() for state in last)


class FusedRecurrence(torch.autograd.Function):
    """The outputs (batch, time, output) and the states after each row's last element, with a hand-written backward pass
    through time."""

    @staticmethod
    def forward(
        ctx: Any,
        kernel_class: type[Kernel],
        context: PassContext,
        projected: Tensor,
        num_states: int,
        *tensors: Tensor | None,
    ) -> tuple[Tensor, ...]:
        states: States = tensors[:num_states]  # type: ignore[assignment]
        weights = tensors[num_states:]
        kernel = _run_forward(kernel_class, context, projected, states, weights)
        ctx.kernel = kernel
        ctx.save_for_backward(*weights)
        ctx.set_materialize_grads(False)
        outputs, last = _results(kernel, states)
        return outputs, *last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor | None, *grad_last: Tensor | None) -> tuple[Any, ...]:
        kernel: Kernel = ctx.kernel
        schedule, gradient_norms = kernel.schedule, kernel.gradient_norms
        _ = ctx.saved_tensors  # the kernel holds them; this raises if they were changed since the forward pass
        last = [
            buffer.new_zeros(schedule.batch, buffer.shape[1]) if gradient is None else gradient
            for buffer, gradient in zip(kernel.buffers, grad_last, strict=True)
        ]
        gradients = [schedule.pack_state(gradient).clone() for gradient in last]
        kernel.last_backward = not torch._C._autograd._get_current_graph_task_keep_graph()  # no `retain_graph`
        kernel.start_backward(gradients)
        zoneout = ZoneoutBackward(kernel.noise.zoneout_masks, gradients)
        grad_outputs_by_step = None if grad_outputs is None else schedule.split_by_step(grad_outputs)
        step_gradients = gradients
        for step in reversed(schedule.steps):
            if len(step_gradients[0]) != step.rows:
                step_gradients = [gradient[: step.rows] for gradient in gradients]
            if grad_outputs_by_step is not None:
                step_gradients[0].add_(grad_outputs_by_step[step.number])
            if gradient_norms is not None:
                gradient_norms.record(step, step_gradients)
            zoneout.split(step)
            kernel.backward(step, step_gradients)
            zoneout.merge(step)
        initial = [schedule.unpack_state(old, new) for old, new in zip(last, gradients, strict=True)]
        return None, None, kernel.grad_projected, None, *initial, *kernel.weight_gradients()


@compiled
def _zoneout_forward(state: Array, mask: Array, rows: int, start: int, previous: int, current: int) -> None:
    for row in range(rows):
        z, old, new = mask[start + row], state[previous + row], state[current + row]
        for j in range(new.shape[0]):
            new[j] = z[j] * old[j] + (ONE - z[j]) * new[j]


@compiled
def _zoneout_split(gradient: Array, mask: Array, previous_part: Array, rows: int, start: int) -> None:
    """Splits a gradient: that of the new value stays in `gradient`, that of the previous value is put aside."""
    for row in range(rows):
        z, g, p = mask[start + row], gradient[row], previous_part[row]
        for j in range(g.shape[0]):
            p[j] = g[j] * z[j]
            g[j] = g[j] - p[j]


@compiled
def _zoneout_merge(gradient: Array, previous_part: Array, rows: int) -> None:
    for row in range(rows):
        g, p = gradient[row], previous_part[row]
        for j in range(g.shape[0]):
            g[j] += p[j]


class Zoneout:
    """s_t = mask * s_{t-1} + (1 - mask) * new (Krueger et al. 2017, equation 1), in the buffers of the states."""

    def __init__(self, masks: Sequence[Tensor | None], buffers: Sequence[Tensor]) -> None:
        self.arrays = _pairs(masks, buffers)

    def apply(self, step: ScheduledStep) -> None:
        """Mixes the previous values into those that the kernel has written."""
        for state, mask in self.arrays:
            _zoneout_forward(state, mask, step.rows, step.start, step.previous, step.current)


class ZoneoutBackward:
    """The backward pass of zoneout, on the gradients of the states that go from step to step."""

    def __init__(self, masks: Sequence[Tensor | None], gradients: Sequence[Tensor]) -> None:
        # The third array holds the gradient of the previous value while the kernel computes that of the new one.
        self.arrays = [(gradient, mask, np.empty_like(gradient)) for gradient, mask in _pairs(masks, gradients)]

    def split(self, step: ScheduledStep) -> None:
        """Leaves the kernel the gradients of the new values only."""
        for gradient, mask, previous_part in self.arrays:
            _zoneout_split(gradient, mask, previous_part, step.rows, step.start)

    def merge(self, step: ScheduledStep) -> None:
        """Adds the gradients of the previous values again."""
        for gradient, _, previous_part in self.arrays:
            _zoneout_merge(gradient, previous_part, step.rows)


def _pairs(masks: Sequence[Tensor | None], tensors: Sequence[Tensor]) -> list[tuple[Array, Array]]:
    """The arrays of the states that have zoneout, and their masks."""
    return [(tensor.numpy(), mask.numpy()) for tensor, mask in zip(tensors, masks, strict=True) if mask is not None]
