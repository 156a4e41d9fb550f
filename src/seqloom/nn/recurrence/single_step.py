"""A single element of a few rows, by compiled code: what is around a step would take longer than the step itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

CompiledStep = Callable[..., tuple[Any, ...]]
"""From arrays (the element, the memories, the weights that the cell has) to those of the memories afterwards."""

FEW_ROWS = 4
"""Up to so many rows, a compiled loop outruns a library's matrix product."""


def fits(element: Tensor, memories: tuple[Tensor, ...]) -> bool:
    """Whether a compiled step can take them."""
    known = element.dtype == memories[0].dtype and element.dtype in (torch.float32, torch.float64)
    return known and len(element) <= FEW_ROWS and element.device.type == "cpu"


def run_compiled(
    step: CompiledStep, element: Tensor, memories: tuple[Tensor, ...], weights: Iterable[Tensor | None]
) -> tuple[Tensor, ...]:
    """The memories after one step, without gradients."""
    own = [weight.detach().numpy() for weight in weights if weight is not None]
    after = step(element.numpy(), *[memory.numpy() for memory in memories], *own)
    return tuple([torch.from_numpy(memory) for memory in after])
