"""Many vectors into one."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor


def mean_pool(
    vectors: Float[Tensor, "batch time size"], real: Bool[Tensor, "batch time"]
) -> Float[Tensor, "batch size"]:
    """The mean of each row's real vectors; zeros where there are none."""
    return sum_pool(vectors, real) / real.sum(1, keepdim=True).clamp(min=1)


def sum_pool(
    vectors: Float[Tensor, "batch time size"], real: Bool[Tensor, "batch time"]
) -> Float[Tensor, "batch size"]:
    """The sum of each row's real vectors."""
    return vectors.masked_fill(~real[:, :, None], 0.0).sum(1)


def max_pool(
    vectors: Float[Tensor, "batch time size"], real: Bool[Tensor, "batch time"]
) -> Float[Tensor, "batch size"]:
    """The largest of each number over a row's real vectors; zeros where there are none."""
    largest = vectors.masked_fill(~real[:, :, None], float("-inf")).amax(1)
    return largest.masked_fill(~real.any(1, keepdim=True), 0.0)
