"""A causal layer along a sequence of any length, a stretch of it at a time."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqloom.nn.layer import SequenceLayer, State, detach


def in_stretches(
    layer: SequenceLayer,
    inputs: Float[Tensor, "batch time input"],
    lengths: Int[Tensor, " batch"] | None,
    stretch: int,
) -> tuple[Float[Tensor, "batch time output"], State]:
    """What the layer gives for the whole, worked out over `stretch` elements at a time: the state is carried from one
    to the next, and gradients end there."""
    assert layer.causal, "what is still to come is not known"
    state: State | None = None
    outputs = []
    for start in range(0, inputs.shape[1], stretch):
        part = inputs[:, start : start + stretch]
        left = None if lengths is None else (lengths - start).clamp(0, part.shape[1])
        given, state = layer(part, None if state is None else detach(state), left)
        outputs.append(given)
    return torch.cat(outputs, dim=1), state
