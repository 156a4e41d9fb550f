"""The ways to run a cell along a sequence. All take inputs (batch, time, input) and the memories of every row, and give
outputs (batch, time, output), zero in padding, and each row's memories after its last element."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from seqloom.nn.recurrence.cell import Cell, GatedCell, Memories, Weights
from seqloom.nn.recurrence.pass_context import PassContext


def whole(
    cell: GatedCell, weights: Weights, inputs: Tensor, memories: Memories, along: PassContext
) -> tuple[Tensor, Memories]:
    """One call, of torch's own kernel or of a parallel scan."""
    order = along.order
    outputs, last = cell.whole(inputs, order, tuple(order.first(memory) for memory in memories), weights)
    return outputs, tuple(order.back(memory, after) for memory, after in zip(memories, last, strict=True))


def fused(
    cell: GatedCell, weights: Weights, inputs: Tensor, memories: Memories, along: PassContext
) -> tuple[Tensor, Memories]:
    """The cell's kernel. Half precision stays in the products with the inputs; the recurrence is in float32."""
    from seqloom.nn.kernels.fused_recurrence import recur

    kind = cell.kernel()
    assert kind is not None, "path says so"
    projected, given = cell.project(along.order.take(inputs)), memories[0].dtype
    wide = torch.float64 if projected.dtype == torch.float64 else torch.float32
    memories = tuple(memory.to(wide) for memory in memories)
    weights = tuple(None if weight is None else weight.to(wide) for weight in weights)
    outputs, last = recur(kind, along.to(wide), projected.to(wide), memories, weights)
    return outputs.to(given), tuple(memory.to(given) for memory in last)


def unrolled(
    cell: GatedCell, weights: Weights, inputs: Tensor, memories: Memories, along: PassContext
) -> tuple[Tensor, Memories]:
    """The cell's step in a loop, under autograd."""
    drop = along.noise.drop

    def step(element: Tensor, before: Memories) -> tuple[None, Memories]:
        return None, cell.step(element, before, weights, None if drop is None else drop[: len(element)])

    passed, last, _ = _loop(step, cell.project(along.order.take(inputs)), memories, along)
    return along.order.put(passed[0]), last


def stepped(cell: Cell, inputs: Tensor, memories: Memories, along: PassContext) -> tuple[Tensor, Memories]:
    """Any cell in a loop; its outputs need not be its memories."""
    _, last, outputs = _loop(cell, along.order.take(inputs), memories, along)
    return along.order.put(torch.cat(outputs)), last


def _loop(
    one: Callable[[Tensor, Memories], tuple[Tensor | None, Memories]],
    elements: Tensor,
    memories: Memories,
    along: PassContext,
) -> tuple[Memories, Memories, list[Tensor]]:
    """The memories after all steps, those after each row's last, and what `one` gives out at each step."""
    order, noise, norms = along
    now = tuple(order.first(memory) for memory in memories)
    passed: list[Memories] = []
    outputs: list[Tensor] = []
    for step, element in zip(order.steps, elements.split_with_sizes(order.sizes), strict=True):
        before = tuple(memory[: step.rows] for memory in now)
        output, after = one(element, before)
        now = noise.kept(step, before, after)
        if norms is not None:
            norms.watch(step, now)
        passed.append(now)
        if output is not None:
            outputs.append(output)
    after_all = tuple(torch.cat(parts) for parts in zip(*passed, strict=True))
    pairs = zip(memories, after_all, strict=True)
    return after_all, tuple(order.back(memory, order.at_last(after)) for memory, after in pairs), outputs
