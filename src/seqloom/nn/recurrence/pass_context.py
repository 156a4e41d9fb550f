"""What a pass over a sequence needs besides its tensors: the schedule, the noise and the record of gradients."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seqloom.nn.recurrence.gradient_norms import GradientNorms
from seqloom.nn.recurrence.step_schedule import StepSchedule
from seqloom.nn.recurrence.types import ScheduledStep, States


class Noise(NamedTuple):
    """The noise of a pass, drawn once, so that every backend applies the same.

    `dropout_mask` (active, hidden): at every step, the hidden state is multiplied by it before the recurrent matrix
    (Gal and Ghahramani 2016, section 4). `zoneout_masks`: for each state (elements, size) or None, the share of the
    previous value that is kept: zeros and ones in training, the rate itself otherwise (Krueger et al. 2017, section 3).
    """

    dropout_mask: Tensor | None
    zoneout_masks: tuple[Tensor | None, ...]

    def to(self, dtype: torch.dtype) -> Noise:
        masks = tuple(None if mask is None else mask.to(dtype) for mask in self.zoneout_masks)
        return Noise(None if self.dropout_mask is None else self.dropout_mask.to(dtype), masks)

    def apply_zoneout(self, step: ScheduledStep, previous: States, new: States) -> States:
        """mask * previous + (1 - mask) * new for each state, with gradients."""
        mixed = []
        for mask, old, value in zip(self.zoneout_masks, previous, new, strict=True):
            if mask is None:
                mixed.append(value)
            else:
                share = mask[step.start : step.start + step.rows].to(value.dtype)
                mixed.append(torch.lerp(value, old.to(value.dtype), share))
        return tuple(mixed)


class PassContext(NamedTuple):
    """`gradient_norms` is None while no gradients are recorded."""

    schedule: StepSchedule
    noise: Noise
    gradient_norms: GradientNorms | None

    def to(self, dtype: torch.dtype) -> PassContext:
        return self._replace(noise=self.noise.to(dtype))
