"""The contract of a fused kernel, and the autograd function that runs one over the steps of an order."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqloom.nn.cell import Memories, Weights
from seqloom.nn.gradient_record import Norms
from seqloom.nn.kernels.zoneout import Zoneout
from seqloom.nn.noise import Noise
from seqloom.nn.order import Order, Step


class Along(NamedTuple):
    """What a pass goes along, besides its tensors."""

    order: Order
    noise: Noise
    norms: Norms | None


class Kernel:
    """One cell's steps, forward and backward, over rows in the order of the steps.

    `projected` (elements, gates) is what `project` made of all elements; a kernel may keep its gates there. `buffers`
    has one (working + elements, size) for each memory: first what was before, then what each step leaves.
    """

    def __init__(self, along: Along, projected: Tensor, buffers: list[Tensor], weights: Weights) -> None:
        self.order, self.noise, self.norms = order, _, _ = along
        self.projected, self.buffers, self.drop = projected, buffers, self.noise.drop
        self.recurrent = weights[0].detach() if weights[0] is not None else projected.new_empty(0, 0)
        self.transposed = self.recurrent.t()
        assert weights[1] is not None
        self.bias = weights[1].detach().numpy()
        self.gates = projected.numpy()
        self.arrays = [buffer.numpy() for buffer in buffers]
        self.hidden = buffers[0]
        self.dropped = projected.new_empty(order.elements, self.hidden.shape[1]) if self.drop is not None else None
        # Views for all steps, made at once: slicing at every step would take as long as a small product.
        self.projected_at = projected.split_with_sizes(order.sizes)
        self.hidden_at = self.hidden.split_with_sizes([order.working, *order.sizes])
        self.dropped_at = None if self.dropped is None else self.dropped.split_with_sizes(order.sizes)

    @abstractmethod
    def forward(self, step: Step) -> None:
        """Writes the memories after `step` into the buffers."""

    def start_backward(self, gradients: list[Tensor]) -> None:  # noqa: ARG002
        """Makes room. `gradients` (working, size) will hold those of the memories from step to step."""
        self.by_projected = torch.empty_like(self.projected)
        self.by_projected_at = self.by_projected.split_with_sizes(self.order.sizes)
        self.by_bias = self.projected.new_zeros(len(self.bias))

    @abstractmethod
    def backward(self, step: Step, gradients: list[Tensor]) -> None:
        """Turns the gradients after `step` into those before it; `gradients` are the rows at work of those tensors."""

    @abstractmethod
    def weight_gradients(self) -> Weights:
        """The gradients of the weights, each as a single multiplication over all steps."""

    def empty(self, rows: int, columns: int) -> Tensor:
        return self.projected.new_empty(rows, columns)

    def seen(self, step: Step) -> Tensor:
        """(rows, hidden): what the recurrent matrix sees of the hidden state."""
        before = self.hidden_at[step.number]
        if len(before) != step.rows:
            before = before[: step.rows]
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


def run_forward(kind: type[Kernel], along: Along, projected: Tensor, memories: Memories, weights: Weights) -> Kernel:
    """A kernel after its forward pass, whose buffers hold what every step left. It overwrites `projected`."""
    order, buffers = along.order, []
    for memory in memories:
        buffer = memory.new_empty(order.working + order.elements, memory.shape[1])
        buffer[: order.working] = order.first(memory)
        buffers.append(buffer)
    kernel = kind(along, projected, buffers, weights)
    zones = Zoneout(along.noise.zones, buffers)
    for step in order.steps:
        kernel.forward(step)
        zones.forward(step)
    return kernel


def last_memories(kernel: Kernel, memories: Memories) -> Memories:
    """The memories after each row's last element; of a row without any, those before. None shares the buffers."""
    order = kernel.order
    left = [order.at_last(buffer[order.working :]) for buffer in kernel.buffers]
    # A backward pass will read the buffers, and what is given out may be changed in place.
    return tuple(order.back(memory, after).clone() for memory, after in zip(memories, left, strict=True))


class FusedRecurrence(torch.autograd.Function):
    """(batch, time, output) and the memories after each row's last element, by hand-written backward through time."""

    @staticmethod
    def forward(
        ctx: Any, kind: type[Kernel], along: Along, projected: Tensor, num_memories: int, *tensors: Tensor | None
    ) -> tuple[Tensor, ...]:
        memories: Memories = tensors[:num_memories]  # type: ignore[assignment]
        weights = tensors[num_memories:]
        kernel = run_forward(kind, along, projected, memories, weights)
        ctx.kernel = kernel
        ctx.save_for_backward(*weights)
        ctx.set_materialize_grads(False)
        return along.order.laid_out(kernel.hidden[along.order.working :]), *last_memories(kernel, memories)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_output: Tensor | None, *by_last: Tensor | None) -> tuple[Any, ...]:
        kernel: Kernel = ctx.kernel
        order, noise, norms = kernel.order, kernel.noise, kernel.norms
        _ = ctx.saved_tensors  # the kernel has them; this finds out whether they were changed since
        last = [
            buffer.new_zeros(order.batch, buffer.shape[1]) if gradient is None else gradient
            for buffer, gradient in zip(kernel.buffers, by_last, strict=True)
        ]
        gradients = [order.first(gradient).clone() for gradient in last]
        kernel.start_backward(gradients)
        zones = Zoneout(noise.zones, gradients)
        by_step = None if by_output is None else order.by_step(by_output)
        working = gradients
        for step in reversed(order.steps):
            if len(working[0]) != step.rows:
                working = [gradient[: step.rows] for gradient in gradients]
            if by_step is not None:
                working[0].add_(by_step[step.number])
            if norms is not None:
                norms.write(step, working)
            zones.before_backward(step)
            kernel.backward(step, working)
            zones.after_backward(step)
        before = [order.back(whole, gradient) for whole, gradient in zip(last, gradients, strict=True)]
        return None, None, kernel.by_projected, None, *before, *kernel.weight_gradients()
