"""The average of the weights along the training, which often does better than the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


class WeightAverage:
    """An exponential moving average of `parameters` (Polyak and Juditsky 1992), `decay` of it kept at each update.

    It begins as the mean of all weights so far, until that is the longer memory. `decay` 0 is the weights themselves.
    """

    def __init__(self, parameters: Sequence[Tensor], decay: float) -> None:
        self.decay, self._parameters = decay, list(parameters)
        self.tensors = [p.detach().clone() for p in self._parameters] if decay else []

    @torch.no_grad()
    def add(self, updates: int) -> None:
        """Takes in the weights after so many `updates`."""
        if self.tensors:
            torch._foreach_lerp_(self.tensors, self._parameters, 1 - min(self.decay, (1 + updates) / (10 + updates)))

    def load(self, tensors: Sequence[Tensor]) -> None:
        for own, saved in zip(self.tensors, tensors, strict=True):
            own.copy_(saved)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """While entered, the model has the averaged weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for parameter, average in zip(self._parameters if self.tensors else [], self.tensors, strict=True):
            kept = parameter.clone()
            parameter.copy_(average)
            average.copy_(kept)
