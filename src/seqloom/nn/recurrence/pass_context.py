"""What a pass over a sequence goes along besides its tensors."""

from __future__ import annotations

from typing import NamedTuple

import torch

from seqloom.nn.recurrence.gradient_norms import Norms
from seqloom.nn.recurrence.noise import Noise
from seqloom.nn.recurrence.step_schedule import StepSchedule


class PassContext(NamedTuple):
    """The order of its steps, the noise that it meets, and where its gradients are noted (None: nowhere)."""

    order: StepSchedule
    noise: Noise
    norms: Norms | None

    def to(self, dtype: torch.dtype) -> PassContext:
        return self._replace(noise=self.noise.to(dtype))
