"""Dropout: of single numbers, of the same features at every step (variational), and of whole words."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

_LEVELS = 1 << 16


def dropout_mask(shape: tuple[int, ...], rate: float, like: Tensor) -> Tensor:
    """Zeros with probability `rate`, else 1 / (1 - rate), with the dtype and device of `like`."""
    return torch.empty(shape, dtype=like.dtype, device=like.device).bernoulli_(1 - rate).div_(1 - rate)


class FastDropout(nn.Module):
    """Dropout of single numbers whose random draws are cheap: one draw of 64 bits decides for four numbers.

    On a CPU, a draw for every number costs several times as much as the product with it. Each number is dropped with
    probability `rate`, rounded to the nearest 1/65536, and the others are scaled up so that the expectation stays the
    same (Srivastava et al. 2014).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, inputs: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return inputs * self._mask(inputs) if self.training and self.rate else inputs

    def add(self, inputs: Float[Tensor, "*shape"], branch: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """inputs + dropout(branch), in one pass over the numbers."""
        if not self.training or not self.rate:
            return inputs + branch
        return torch.addcmul(inputs, branch, self._mask(branch))

    def _mask(self, like: Tensor) -> Tensor:
        """Zeros with probability `rate`, else 1 / (1 - rate)."""
        dropped_levels = min(round(self.rate * _LEVELS), _LEVELS - 1)
        draws = torch.empty((like.numel() + 3) // 4, dtype=torch.long, device=like.device).random_(-(2**63), None)
        keeps = draws.view(torch.int16)[: like.numel()] >= dropped_levels - _LEVELS // 2
        return keeps.view(like.shape).to(like.dtype).mul_(_LEVELS / (_LEVELS - dropped_levels))


class VariationalDropout(nn.Module):
    """The same features of a row are dropped at every step (Gal and Ghahramani 2016, section 4)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, sequence: Float[Tensor, "batch time size"]) -> Float[Tensor, "batch time size"]:
        if not self.training or self.rate == 0:
            return sequence
        return sequence * dropout_mask((sequence.shape[0], 1, sequence.shape[2]), self.rate, sequence)


class WordDropout(nn.Module):
    """Drops the embedding of a word wherever it occurs in the batch (Gal and Ghahramani 2016, section 4.2)."""

    def __init__(self, rate: float, vocab_size: int) -> None:
        super().__init__()
        self.rate, self.vocab_size = rate, vocab_size

    def forward(
        self, embedded: Float[Tensor, "batch time size"], token_ids: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time size"]:
        if not self.training or self.rate == 0:
            return embedded
        return embedded * dropout_mask((self.vocab_size, 1), self.rate, embedded)[token_ids]
