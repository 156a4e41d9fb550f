"""Zoneout, fused (Krueger et al. 2017): m_t = zone * m_{t-1} + (1 - zone) * new, in the buffers of the memories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from seqloom.nn.kernels.numeric import ONE, Array, compiled
from seqloom.nn.order import Step


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
    """`zones` as Noise has them; `tensors` are the buffers forward, and the running gradients backward."""

    def __init__(self, zones: Sequence[Tensor | None], tensors: Sequence[Tensor]) -> None:
        pairs = [
            (tensor.numpy(), zone.numpy()) for tensor, zone in zip(tensors, zones, strict=True) if zone is not None
        ]
        # The last: room for the gradients of the former values, needed backward only.
        self.arrays = [(memory, zone, np.empty_like(memory)) for memory, zone in pairs]

    def forward(self, step: Step) -> None:
        """Mixes the former values into what the kernel has left in the buffers."""
        for memory, zone, _ in self.arrays:
            _keep(memory, zone, step.rows, step.start, step.before, step.now)

    def before_backward(self, step: Step) -> None:
        """Takes what belongs to the former values out of the gradients that the kernel will see."""
        for gradient, zone, kept in self.arrays:
            _part(gradient, zone, kept, step.rows, step.start)

    def after_backward(self, step: Step) -> None:
        """Adds it again."""
        for gradient, _, kept in self.arrays:
            _join(gradient, kept, step.rows)
