"""Records the weights of an NTM's heads over the memory, step by step and row by row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn


class WeightRecord:
    """The weights of the heads of every layer with a memory, by the layer's name among the modules recorded."""

    def __init__(self) -> None:
        self.passes: dict[str, list[Tensor]] = {}

    def __getitem__(self, name: str) -> Float[Tensor, "batch time heads locations"]:
        """Read heads first; zero in padding. The chunks of a sequence are concatenated."""
        return torch.cat(self.passes[name], dim=1)

    def __iter__(self) -> Iterator[str]:
        return iter(self.passes)

    def __len__(self) -> int:
        return len(self.passes)


class RecordsWeights(nn.Module):
    """A layer that can record the weights of its heads."""

    recorded_weights: list[Tensor] | None = None
    """A pass appends its weights to this list; None while nothing is recorded."""

    read_heads: int


@contextmanager
def record_weights(module: nn.Module) -> Iterator[WeightRecord]:
    """Within this context, the layers of `module` that have a memory record the weights of their heads.

        with record_weights(layer) as record:
            outputs, _ = layer(inputs)
        weights = record[""]   # (batch, time, heads, locations)

    No further pass is made: the pass computes these weights anyway.
    """
    record = WeightRecord()
    recorded = [(name, part) for name, part in module.named_modules() if isinstance(part, RecordsWeights)]
    for name, part in recorded:
        part.recorded_weights = record.passes.setdefault(name, [])
    try:
        yield record
    finally:
        for _, part in recorded:
            part.recorded_weights = None
