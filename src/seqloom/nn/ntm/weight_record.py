"""Where the heads of a memory looked, step by step and row by row, noted while a pass goes by."""

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
        """Read heads first; zero in padding. A sequence given in chunks is laid end to end."""
        return torch.cat(self.passes[name], dim=1)

    def __iter__(self) -> Iterator[str]:
        return iter(self.passes)

    def __len__(self) -> int:
        return len(self.passes)


class RecordsWeights(nn.Module):
    """A layer whose heads can be watched."""

    weights_to: list[Tensor] | None = None
    """Where a pass leaves its weights; None while nothing is recorded."""

    read_heads: int


@contextmanager
def record_weights(module: nn.Module) -> Iterator[WeightRecord]:
    """Within it, passes through the layers of `module` that have a memory note the weights of their heads.

        with record_weights(layer) as record:
            outputs, _ = layer(inputs)
        weights = record[""]   # (batch, time, heads, locations)

    No further pass is made: the pass makes these weights anyway.
    """
    record = WeightRecord()
    found = [(name, part) for name, part in module.named_modules() if isinstance(part, RecordsWeights)]
    for name, part in found:
        part.weights_to = record.passes.setdefault(name, [])
    try:
        yield record
    finally:
        for _, part in found:
            part.weights_to = None
