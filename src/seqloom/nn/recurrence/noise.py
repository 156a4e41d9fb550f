"""The noise of a pass over a sequence: variational dropout of the recurrence, and zoneout. The same on every path."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seqloom.nn.dropout import keep_mask
from seqloom.nn.recurrence.cell import Cell, GatedCell, Memories
from seqloom.nn.recurrence.step_schedule import Step, StepSchedule


class Noise(NamedTuple):
    """`drop` (working, hidden): what the recurrent weights see of the hidden state is multiplied by it at every step
    (Gal and Ghahramani 2016, section 4). `zones`, for each memory (elements, size) or None: the share of its former
    value that it keeps, ones and zeros in training and the rate itself otherwise (Krueger et al. 2017, section 3).
    """

    drop: Tensor | None
    zones: tuple[Tensor | None, ...]

    @classmethod
    def draw(cls, cell: Cell, order: StepSchedule, memories: Memories) -> Noise:
        drop = None
        if cell.training and isinstance(cell, GatedCell) and cell.recurrent_dropout:
            drop = keep_mask((order.working, memories[0].shape[1]), cell.recurrent_dropout, memories[0])
        zones: list[Tensor | None] = []
        for memory, rate in zip(memories, cell.zoneout or (0.0,) * len(memories), strict=True):
            if not rate:
                zones.append(None)
                continue
            zone = memory.new_empty(order.elements, memory.shape[1])
            # uniform_ and a comparison are three times as fast as bernoulli_.
            zones.append(zone.uniform_().lt_(rate) if cell.training else zone.fill_(rate))
        return cls(drop, tuple(zones))

    def to(self, dtype: torch.dtype) -> Noise:
        zones = tuple(None if zone is None else zone.to(dtype) for zone in self.zones)
        return Noise(None if self.drop is None else self.drop.to(dtype), zones)

    def kept(self, step: Step, before: Memories, new: Memories) -> Memories:
        """zone * before + (1 - zone) * new, for autograd."""
        found = []
        for zone, old, value in zip(self.zones, before, new, strict=True):
            here = None if zone is None else zone[step.start : step.start + step.rows]
            found.append(value if here is None else torch.lerp(value, old.to(value.dtype), here.to(value.dtype)))
        return tuple(found)
