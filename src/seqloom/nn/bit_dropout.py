"""Dropout of single numbers whose random draws cost little: one draw of 64 bits decides for four of them.

On a CPU, a draw for every number costs several times the product with it.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

_LEVELS = 1 << 16


class BitDropout(nn.Module):
    """Each number is dropped with probability `rate`, to the nearest 1/65536, and the others are scaled up so that the
    expectation stays (Srivastava et al. 2014)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, inputs: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return inputs * self._factors(inputs) if self.training and self.rate else inputs

    def add(self, inputs: Float[Tensor, "*shape"], branch: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """`inputs` plus what is left of `branch`, in one pass."""
        if not self.training or not self.rate:
            return inputs + branch
        return torch.addcmul(inputs, branch, self._factors(branch))

    def _factors(self, like: Tensor) -> Tensor:
        """Zeros at the rate, else 1 / (1 - rate)."""
        dropped = min(round(self.rate * _LEVELS), _LEVELS - 1)
        draws = torch.empty((like.numel() + 3) // 4, dtype=torch.long, device=like.device).random_(-(2**63), None)
        kept = draws.view(torch.int16)[: like.numel()] >= dropped - _LEVELS // 2
        return kept.view(like.shape).to(like.dtype).mul_(_LEVELS / (_LEVELS - dropped))
