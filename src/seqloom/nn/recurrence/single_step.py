"""One step for a few rows in compiled code, without gradients, where the overhead of a general backend would
dominate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from seqloom.nn.recurrence.types import States

CompiledStep = Callable[..., tuple[Any, ...]]
"""Maps arrays (the element, the states, the weights that the cell has) to the arrays of the new states."""

MAX_ROWS = 4
"""Up to this many rows, a compiled loop is faster than a library's matrix product."""


def is_supported(element: Tensor, states: States) -> bool:
    """Whether a compiled step can take these tensors."""
    known = element.dtype == states[0].dtype and element.dtype in (torch.float32, torch.float64)
    return known and len(element) <= MAX_ROWS and element.device.type == "cpu"


def run_compiled(step: CompiledStep, element: Tensor, states: States, weights: Iterable[Tensor | None]) -> States:
    """The states after one step, without gradients."""
    arrays = [weight.detach().numpy() for weight in weights if weight is not None]
    new = step(element.numpy(), *[state.numpy() for state in states], *arrays)
    return tuple([torch.from_numpy(state) for state in new])
