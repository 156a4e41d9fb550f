"""What a pass over a sequence goes along besides its tensors."""

from __future__ import annotations

from typing import NamedTuple

import torch

from seqloom.nn.gradient_record import Norms
from seqloom.nn.noise import Noise
from seqloom.nn.order import Order


class Along(NamedTuple):
    """The order of its steps, the noise that it meets, and where its gradients are noted (None: nowhere)."""

    order: Order
    noise: Noise
    norms: Norms | None

    def to(self, dtype: torch.dtype) -> Along:
        return self._replace(noise=self.noise.to(dtype))
