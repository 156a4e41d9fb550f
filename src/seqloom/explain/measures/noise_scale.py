"""The gradient noise scale: at which batch size more examples stop making an update much better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class GradientNoise:
    """The simple noise scale of McCandlish et al. (2018, equation 2.9 and appendix A.1), tr(Σ) / |G|²: the variance of
    the gradient of one target, summed over the weights, over the squared norm of the true gradient. Estimated from the
    gradients of several batches at the same weights: on the mean, the squared norm of that of B targets is
    |G|² + tr(Σ) / B."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.square_norms: list[float] = []
        self._sum: list[Tensor] = []

    def count(self, gradients: Sequence[Tensor | None], targets: int) -> None:
        """The gradients of the mean loss of a batch with so many targets."""
        parts = [torch.zeros(0) if gradient is None else gradient.float() for gradient in gradients]
        self.sizes.append(targets)
        self.square_norms.append(_square_norm(parts))
        if not self._sum:
            self._sum = [torch.zeros_like(part) for part in parts]
        for total, part in zip(self._sum, parts, strict=True):
            if total.shape == part.shape:
                total.add_(part, alpha=targets)

    def scale(self) -> float | None:
        """In targets; None where the batches are too few or too noisy to tell."""
        sizes = np.array(self.sizes, np.float64)
        if len(sizes) < 2 or (sizes <= 0).any():
            return None
        together = _square_norm(self._sum) / sizes.sum() ** 2
        single, inverse = float(np.mean(self.square_norms)), float((1 / sizes).mean())
        variance = (single - together) / (inverse - 1 / sizes.sum())
        square = together - variance / sizes.sum()
        return variance / square if square > 0 and variance > 0 else None


def _square_norm(parts: Sequence[Tensor]) -> float:
    return float(sum(float(part.double().square().sum()) for part in parts))
