"""torch's own recurrent kernels, called in the order of a step schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seqloom.nn.recurrence.step_schedule import StepSchedule
from seqloom.nn.recurrence.types import States


def run_torch_kernel(
    kernel: Callable[..., tuple[Tensor, ...]],
    inputs: Tensor,
    schedule: StepSchedule,
    states: States,
    parameters: list[Any],
) -> tuple[Tensor, States]:
    """The result of `GatedCell.native`. `kernel` is torch._VF.lstm or a function like it, `parameters` its four weights
    and biases."""
    device = inputs.device.type
    if device == "cuda" and torch.is_autocast_enabled(device):
        # Left to autocast, cuDNN's recurrences run in float16, whatever precision was chosen.
        dtype = torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            states = tuple(state.to(dtype) for state in states)
            parameters = [weight.to(dtype) for weight in parameters]
            return run_torch_kernel(kernel, inputs.to(dtype), schedule, states, parameters)
    train = torch.is_grad_enabled()  # torch's name for "keep what the backward pass needs"
    initial = [state[None].contiguous() for state in states]
    previous = initial if len(initial) > 1 else initial[0]
    if schedule.dense:  # batch first: torch copies the inputs into its own layout in any case
        sequence = inputs.flip(1) if schedule.backward else inputs
        outputs, *last = kernel(sequence, previous, parameters, True, 1, 0.0, train, False, True)
        outputs = outputs.flip(1) if schedule.backward else outputs
    else:  # the elements of rows of unequal length are in the order of torch's packed sequences
        elements, batch_sizes = schedule.pack(inputs), torch.tensor(schedule.batch_sizes)
        outputs, *last = kernel(elements, batch_sizes, previous, parameters, True, 1, 0.0, train, False)
        outputs = schedule.unpack(outputs)
    return outputs, tuple(state[0] for state in last)
