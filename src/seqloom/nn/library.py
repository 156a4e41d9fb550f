"""torch's own recurrent kernels, over elements in the order of the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seqloom.nn.order import Order


def in_torch(
    run: Callable[..., tuple[Tensor, ...]], elements: Tensor, order: Order, before: Any, own: list[Any], training: bool
) -> tuple[Tensor, ...]:
    """`run` is torch._VF.lstm or the like, `own` its four parameters; the outputs (elements, hidden), and the memories.

    Elements of unequal rows lie as torch's packed sequences do.
    """
    hidden = before[0] if isinstance(before, tuple) else before
    size = hidden.shape[2]
    if not order.dense:
        return run(elements, torch.tensor(order.sizes), before, own, True, 1, 0.0, training, False)
    sequence = elements.view(order.time, order.batch, elements.shape[1])
    before = tuple(x.contiguous() for x in before) if isinstance(before, tuple) else before.contiguous()
    outputs, *last = run(sequence, before, own, True, 1, 0.0, training, False, False)
    return outputs.reshape(order.elements, size), *last
