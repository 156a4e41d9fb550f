"""torch's own recurrent kernels, over the rows of an order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seqloom.nn.recurrence.cell import Memories
from seqloom.nn.recurrence.step_schedule import StepSchedule


def in_torch(
    run: Callable[..., tuple[Tensor, ...]],
    inputs: Tensor,
    order: StepSchedule,
    memories: Memories,
    own: list[Any],
) -> tuple[Tensor, Memories]:
    """What `GatedCell.whole` gives. `run` is torch._VF.lstm or the like, `own` its four parameters."""
    device = inputs.device.type
    if device == "cuda" and torch.is_autocast_enabled(device):
        # Left to autocast, cuDNN's recurrences run in float16, whatever precision was asked for.
        kind = torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            given = tuple(memory.to(kind) for memory in memories)
            return in_torch(run, inputs.to(kind), order, given, [weight.to(kind) for weight in own])
    keeps = torch.is_grad_enabled()  # what a backward pass needs, which torch calls training
    first = [memory[None].contiguous() for memory in memories]
    before = first if len(first) > 1 else first[0]
    if order.dense:  # batch first, since torch copies the inputs to where it wants them in any case
        sequence = inputs.flip(1) if order.backward else inputs
        outputs, *last = run(sequence, before, own, True, 1, 0.0, keeps, False, True)
        outputs = outputs.flip(1) if order.backward else outputs
    else:  # elements of unequal rows lie as torch's packed sequences do
        outputs, *last = run(order.take(inputs), torch.tensor(order.sizes), before, own, True, 1, 0.0, keeps, False)
        outputs = order.put(outputs)
    return outputs, tuple(memory[0] for memory in last)
