"""Pooling: one vector for a sequence of vectors."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seqloom.nn.matrix_product import Linear


def mean_pool(
    vectors: Float[Tensor, "batch time size"], real: Bool[Tensor, "batch time"]
) -> Float[Tensor, "batch size"]:
    """The mean of each row's real vectors; zeros for a row without any."""
    return sum_pool(vectors, real) / real.sum(1, keepdim=True).clamp(min=1)


def sum_pool(
    vectors: Float[Tensor, "batch time size"], real: Bool[Tensor, "batch time"]
) -> Float[Tensor, "batch size"]:
    """The sum of each row's real vectors."""
    return vectors.masked_fill(~real[:, :, None], 0.0).sum(1)


def max_pool(
    vectors: Float[Tensor, "batch time size"], real: Bool[Tensor, "batch time"]
) -> Float[Tensor, "batch size"]:
    """The elementwise maximum over a row's real vectors; zeros for a row without any."""
    largest = vectors.masked_fill(~real[:, :, None], float("-inf")).amax(1)
    return largest.masked_fill(~real.any(1, keepdim=True), 0.0)


class AttentionPool(nn.Module):
    """sum_t a_t h_t with a = softmax_t(v^T tanh(W h_t + b)) over a row's real vectors (Yang et al. 2016, equations 5 to
    7; Lin et al. 2017). At initialisation it is the mean."""

    def __init__(self, size: int, hidden_size: int) -> None:
        super().__init__()
        self.project = Linear(size, hidden_size)
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        self.query = nn.Parameter(torch.zeros(hidden_size))

    def forward(
        self, vectors: Float[Tensor, "batch time size"], real: Bool[Tensor, "batch time"]
    ) -> tuple[Float[Tensor, "batch size"], Float[Tensor, "batch time"]]:
        """The weighted sum, and the weights. Each row must have a real vector."""
        scores = torch.tanh(self.project(vectors)) @ self.query.to(vectors.dtype)
        weights = torch.softmax(scores.masked_fill(~real, float("-inf")), dim=1)
        return torch.bmm(weights[:, None].to(vectors.dtype), vectors)[:, 0], weights
