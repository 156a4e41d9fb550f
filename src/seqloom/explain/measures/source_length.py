"""Where a bottleneck begins: the loss of a target token by the length of its source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqloom.explain.probes.translate import PairContexts

_GROUPS = 6


@dataclass(frozen=True)
class SourceLength:
    """`loss[i]`: nats a target token of the sources of about `lengths[i]` tokens, in groups of equal size. `begins`:
    the length of the longest third; `short` and `long`: the loss of the others and of it."""

    lengths: list[float]
    loss: list[float]
    begins: int
    short: float
    long: float
    attends: bool

    @property
    def ratio(self) -> float:
        return self.long / max(self.short, 1e-9)


def source_length(probe: PairContexts) -> SourceLength | None:
    """None where all sources are equally long."""
    lengths, losses = (np.array(part) for part in zip(*sorted(probe.losses_by_length()), strict=True))
    if lengths[0] == lengths[-1]:
        return None
    groups = np.array_split(np.arange(len(lengths)), min(_GROUPS, len(lengths)))
    third = max(len(lengths) * 2 // 3, 1)
    is_long = lengths >= lengths[min(third, len(lengths) - 1)]
    short = losses[~is_long] if (~is_long).any() else losses
    return SourceLength(
        [float(lengths[g].mean()) for g in groups], [float(losses[g].mean()) for g in groups],
        int(lengths[is_long].min()), float(short.mean()), float(losses[is_long].mean()), probe.attends,
    )  # fmt: skip
