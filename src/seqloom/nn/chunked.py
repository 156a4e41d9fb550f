"""Runs a causal layer along a long sequence, one chunk at a time."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqloom.nn.layer import SequenceLayer, State, detach


def run_chunked(
    layer: SequenceLayer,
    inputs: Float[Tensor, "batch time input"],
    lengths: Int[Tensor, " batch"] | None,
    chunk_size: int,
) -> tuple[Float[Tensor, "batch time output"], State]:
    """The layer's outputs and state for the whole sequence, computed `chunk_size` elements at a time.

    The state is carried from one chunk to the next; gradients stop between chunks (truncated back-propagation through
    time).
    """
    assert layer.causal, "a layer that needs later elements cannot run in chunks"
    state: State | None = None
    outputs = []
    for start in range(0, inputs.shape[1], chunk_size):
        chunk = inputs[:, start : start + chunk_size]
        chunk_lengths = None if lengths is None else (lengths - start).clamp(0, chunk.shape[1])
        chunk_outputs, state = layer(chunk, None if state is None else detach(state), chunk_lengths)
        outputs.append(chunk_outputs)
    return torch.cat(outputs, dim=1), state
