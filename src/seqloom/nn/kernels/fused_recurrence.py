"""A fused kernel over the steps of an order, as one function of autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqloom.nn.kernels.kernel import Kernel
from seqloom.nn.kernels.zoneout import Zoneout, ZoneoutBackward
from seqloom.nn.recurrence.cell import Memories, Weights
from seqloom.nn.recurrence.pass_context import PassContext


def recur(
    kind: type[Kernel], along: PassContext, projected: Tensor, memories: Memories, weights: Weights
) -> tuple[Tensor, Memories]:
    """(batch, time, output) and the memories after each row's last element. It overwrites `projected`."""
    if torch.is_grad_enabled():
        outputs, *last = FusedRecurrence.apply(  # type: ignore[no-untyped-call]
            kind, along, projected, len(memories), *memories, *weights
        )
        return outputs, tuple(last)
    return _given(_run_forward(kind, along, projected, memories, weights), memories)


def _run_forward(
    kind: type[Kernel], along: PassContext, projected: Tensor, memories: Memories, weights: Weights
) -> Kernel:
    """A kernel after its forward pass, whose buffers hold what every step left."""
    order, buffers = along.order, []
    for memory in memories:
        buffer = memory.new_empty(order.working + order.elements, memory.shape[1])
        buffer[: order.working] = order.first(memory)
        buffers.append(buffer)
    kernel = kind(along, projected, buffers, weights)
    zoneout = Zoneout(along.noise.zones, buffers)
    for step in order.steps:
        kernel.forward(step)
        zoneout.mix(step)
    return kernel


def _given(kernel: Kernel, memories: Memories) -> tuple[Tensor, Memories]:
    """The outputs, and the memories after each row's last element: of a row without any, those before.

    None shares the buffers: a backward pass will read them, and what is given out may be changed in place.
    """
    order = kernel.order
    after = [buffer[order.working :] for buffer in kernel.buffers]
    last = [order.back(memory, order.at_last(left)) for memory, left in zip(memories, after, strict=True)]
    return order.laid_out(after[0]), tuple(memory.clone() for memory in last)


class FusedRecurrence(torch.autograd.Function):
    """(batch, time, output) and the memories after each row's last element, by hand-written backward through time."""

    @staticmethod
    def forward(
        ctx: Any, kind: type[Kernel], along: PassContext, projected: Tensor, num_memories: int, *tensors: Tensor | None
    ) -> tuple[Tensor, ...]:
        memories: Memories = tensors[:num_memories]  # type: ignore[assignment]
        weights = tensors[num_memories:]
        kernel = _run_forward(kind, along, projected, memories, weights)
        ctx.kernel = kernel
        ctx.save_for_backward(*weights)
        ctx.set_materialize_grads(False)
        outputs, last = _given(kernel, memories)
        return outputs, *last

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
        kernel.once = not torch._C._autograd._get_current_graph_task_keep_graph()  # no `retain_graph`
        kernel.start_backward(gradients)
        zoneout = ZoneoutBackward(noise.zones, gradients)
        by_step = None if by_output is None else order.by_step(by_output)
        working = gradients
        for step in reversed(order.steps):
            if len(working[0]) != step.rows:
                working = [gradient[: step.rows] for gradient in gradients]
            if by_step is not None:
                working[0].add_(by_step[step.number])
            if norms is not None:
                norms.write(step, working)
            zoneout.part(step)
            kernel.backward(step, working)
            zoneout.join(step)
        before = [order.back(whole, gradient) for whole, gradient in zip(last, gradients, strict=True)]
        return None, None, kernel.by_projected, None, *before, *kernel.weight_gradients()
