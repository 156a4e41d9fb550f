"""The three ways to run a cell along a sequence.

Each takes inputs (batch, time, input) and the initial states of every row. It returns outputs (batch, time, output),
zero in padding, and each row's states after its last element.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from seqloom.nn.recurrence.cell import Cell, GatedCell
from seqloom.nn.recurrence.pass_context import PassContext
from seqloom.nn.recurrence.types import States, Weights


def native(
    cell: GatedCell, weights: Weights, inputs: Tensor, states: States, context: PassContext
) -> tuple[Tensor, States]:
    """One call of torch's own kernel or of a parallel scan."""
    schedule = context.schedule
    outputs, last = cell.native(inputs, schedule, tuple(schedule.pack_state(state) for state in states), weights)
    return outputs, tuple(schedule.unpack_state(state, new) for state, new in zip(states, last, strict=True))


def fused(
    cell: GatedCell, weights: Weights, inputs: Tensor, states: States, context: PassContext
) -> tuple[Tensor, States]:
    """The cell's fused kernel. Half precision is used in the product with the inputs only; the recurrence runs in
    float32 or float64."""
    from seqloom.nn.kernels.fused_recurrence import run_fused

    kernel_class = cell.kernel()
    assert kernel_class is not None, "the layer chose this backend"
    projected, state_dtype = cell.project(context.schedule.pack(inputs)), states[0].dtype
    dtype = torch.float64 if projected.dtype == torch.float64 else torch.float32
    states = tuple(state.to(dtype) for state in states)
    weights = tuple(None if weight is None else weight.to(dtype) for weight in weights)
    outputs, last = run_fused(kernel_class, context.to(dtype), projected.to(dtype), states, weights)
    return outputs.to(state_dtype), tuple(state.to(state_dtype) for state in last)


def unrolled(
    cell: GatedCell, weights: Weights, inputs: Tensor, states: States, context: PassContext
) -> tuple[Tensor, States]:
    """The cell's `step` in a Python loop, differentiated by autograd."""
    mask = context.noise.dropout_mask

    def step(projected: Tensor, previous: States) -> tuple[None, States]:
        return None, cell.step(projected, previous, weights, None if mask is None else mask[: len(projected)])

    all_states, last, _ = _loop(step, cell.project(context.schedule.pack(inputs)), states, context)
    return context.schedule.unpack(all_states[0]), last


def unrolled_cell(cell: Cell, inputs: Tensor, states: States, context: PassContext) -> tuple[Tensor, States]:
    """Any cell in a Python loop; its output may differ from its hidden state."""
    _, last, outputs = _loop(cell, context.schedule.pack(inputs), states, context)
    return context.schedule.unpack(torch.cat(outputs)), last


def _loop(
    step_function: Callable[[Tensor, States], tuple[Tensor | None, States]],
    elements: Tensor,
    states: States,
    context: PassContext,
) -> tuple[States, States, list[Tensor]]:
    """The states after all steps, each row's states after its last step, and the outputs of `step_function`."""
    schedule, noise, gradient_norms = context
    current = tuple(schedule.pack_state(state) for state in states)
    states_by_step: list[States] = []
    outputs: list[Tensor] = []
    for step, element in zip(schedule.steps, elements.split_with_sizes(schedule.batch_sizes), strict=True):
        previous = tuple(state[: step.rows] for state in current)
        output, new = step_function(element, previous)
        current = noise.apply_zoneout(step, previous, new)
        if gradient_norms is not None:
            gradient_norms.register_hooks(step, current)
        states_by_step.append(current)
        if output is not None:
            outputs.append(output)
    all_states = tuple(torch.cat(parts) for parts in zip(*states_by_step, strict=True))
    last = tuple(
        schedule.unpack_state(state, schedule.last_states(after))
        for state, after in zip(states, all_states, strict=True)
    )
    return all_states, last, outputs
