"""The optimizer of a network, the learning rate along the budget, and the average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from seqloom.training.settings import TrainingSettings


def make_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Matrices decay, vectors and learned initial states do not. On an update all parameters go through one kernel."""
    named = list(model.named_parameters())
    decayed = [p for name, p in named if p.dim() > 1 and not name.endswith("start")]
    others = [p for name, p in named if not (p.dim() > 1 and not name.endswith("start"))]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, settings.learning_rate, momentum=settings.beta1, fused=True)
    return torch.optim.AdamW(groups, settings.learning_rate, betas=(settings.beta1, settings.beta2), fused=True)


def rate_factor(fraction: float, settings: TrainingSettings) -> float:
    """The learning rate's share of its highest value, `fraction` of the budget in: up in a line, then down to 0."""
    fraction = min(max(fraction, 0.0), 1.0)
    if fraction < settings.warmup:
        return fraction / settings.warmup
    left = (fraction - settings.warmup) / (1 - settings.warmup)
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * left))
    return 1 - left if settings.schedule == "linear" else 1.0


def scale_and_clip(parameters: Sequence[Tensor], scale: float, clip_norm: float) -> float:
    """Multiplies the gradients by `scale`, then shortens them to norm `clip_norm`; gives the norm before shortening."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = torch._foreach_norm(gradients)
    norm = float(torch.linalg.vector_norm(torch.stack([n.float() for n in norms]))) * scale
    factor = scale * min(1.0, clip_norm / (norm + 1e-12)) if clip_norm else scale
    if factor != 1.0:
        torch._foreach_mul_(gradients, factor)
    return norm


class WeightAverage:
    """An exponential moving average of `parameters` (Polyak and Juditsky 1992), `decay` of it kept at each update.

    It begins as the mean of all weights so far, until that is the longer memory. `decay` 0 is the weights themselves.
    """

    def __init__(self, parameters: Sequence[Tensor], decay: float) -> None:
        self.decay, self._parameters = decay, list(parameters)
        self.tensors = [p.detach().clone() for p in self._parameters] if decay else []

    @torch.no_grad()
    def add(self, updates: int) -> None:
        """Adds the weights after so many `updates`."""
        if self.tensors:
            torch._foreach_lerp_(self.tensors, self._parameters, 1 - min(self.decay, (1 + updates) / (10 + updates)))

    def load(self, tensors: Sequence[Tensor]) -> None:
        for average, saved in zip(self.tensors, tensors, strict=True):
            average.copy_(saved)

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
            last = parameter.clone()
            parameter.copy_(average)
            average.copy_(last)
