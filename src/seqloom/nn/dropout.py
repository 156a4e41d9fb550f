"""Dropout that respects a sequence: one mask for all steps (variational), or whole words (embedding)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def keep_mask(shape: tuple[int, ...], rate: float, like: Tensor) -> Tensor:
    """Zeros with probability `rate`, else 1 / (1 - rate)."""
    return torch.empty(shape, dtype=like.dtype, device=like.device).bernoulli_(1 - rate).div_(1 - rate)


class VariationalDropout(nn.Module):
    """The same features of a row are dropped at every step (Gal and Ghahramani 2016, section 4)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, sequence: Float[Tensor, "batch time size"]) -> Float[Tensor, "batch time size"]:
        if not self.training or self.rate == 0:
            return sequence
        return sequence * keep_mask((sequence.shape[0], 1, sequence.shape[2]), self.rate, sequence)


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
        return embedded * keep_mask((self.vocab_size, 1), self.rate, embedded)[token_ids]
