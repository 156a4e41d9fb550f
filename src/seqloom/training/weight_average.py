"""The average of the weights over the updates, which is evaluated and saved in their place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


class WeightAverage:
    """An exponential moving average of `parameters` (Polyak and Juditsky 1992) that keeps `decay` of itself per update.

    It begins as the mean of all weights so far, until `decay` gives the longer memory.
    """

    def __init__(self, parameters: Sequence[Tensor], decay: float) -> None:
        self.decay, self._parameters = decay, list(parameters)
        self.tensors = [p.detach().clone() for p in self._parameters]

    @torch.no_grad()
    def add(self, updates: int) -> None:
        """Adds the weights after this number of `updates`."""
        torch._foreach_lerp_(self.tensors, self._parameters, 1 - min(self.decay, (1 + updates) / (10 + updates)))

    def load(self, tensors: Sequence[Tensor]) -> None:
        for average, saved in zip(self.tensors, tensors, strict=True):
            average.copy_(saved)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """A context in which the model has the averaged weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for parameter, average in zip(self._parameters, self.tensors, strict=True):
            last = parameter.clone()
            parameter.copy_(average)
            average.copy_(last)
