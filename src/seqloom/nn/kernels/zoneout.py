"""Zoneout, fused (Krueger et al. 2017): m_t = zone * m_{t-1} + (1 - zone) * new, in the buffers of the memories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from seqloom.nn.kernels.numeric import ONE, Array, compiled
from seqloom.nn.recurrence.step_schedule import Step


@compiled
def _keep(memory: Array, zone: Array, rows: int, start: int, before: int, now: int) -> None:
    for row in range(rows):
        z, old, new = zone[start + row], memory[before + row], memory[now + row]
        for j in range(new.shape[0]):
            new[j] = z[j] * old[j] + (ONE - z[j]) * new[j]


@compiled
def _part(gradient: Array, zone: Array, kept: Array, rows: int, start: int) -> None:
    """Leaves in `gradient` what belongs to the new value, and in `kept` what belongs to the former one."""
    for row in range(rows):
        z, g, k = zone[start + row], gradient[row], kept[row]
        for j in range(g.shape[0]):
            k[j] = g[j] * z[j]
            g[j] = g[j] - k[j]


@compiled
def _join(gradient: Array, kept: Array, rows: int) -> None:
    for row in range(rows):
        g, k = gradient[row], kept[row]
        for j in range(g.shape[0]):
            g[j] += k[j]


class Zoneout:
    """Forward: `zones` as Noise has them, and the buffers of the memories."""

    def __init__(self, zones: Sequence[Tensor | None], buffers: Sequence[Tensor]) -> None:
        self.arrays = _pairs(zones, buffers)

    def mix(self, step: Step) -> None:
        """Mixes the former values into what the kernel has left in the buffers."""
        for memory, zone in self.arrays:
            _keep(memory, zone, step.rows, step.start, step.before, step.now)


class ZoneoutBackward:
    """The gradients of the memories, which go on from step to step."""

    def __init__(self, zones: Sequence[Tensor | None], gradients: Sequence[Tensor]) -> None:
        # The last: what belongs to the former values, while the kernel is at work.
        self.arrays = [(gradient, zone, np.empty_like(gradient)) for gradient, zone in _pairs(zones, gradients)]

    def part(self, step: Step) -> None:
        """Takes what belongs to the former values out of the gradients that the kernel will see."""
        for gradient, zone, kept in self.arrays:
            _part(gradient, zone, kept, step.rows, step.start)

    def join(self, step: Step) -> None:
        """Adds it again."""
        for gradient, _, kept in self.arrays:
            _join(gradient, kept, step.rows)


def _pairs(zones: Sequence[Tensor | None], tensors: Sequence[Tensor]) -> list[tuple[Array, Array]]:
    """Arrays of the memories that have zoneout."""
    both = zip(tensors, zones, strict=True)
    return [(tensor.numpy(), zone.numpy()) for tensor, zone in both if zone is not None]
