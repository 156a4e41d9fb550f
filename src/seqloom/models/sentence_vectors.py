"""Pools an encoded sequence into one vector."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from seqloom.models.encoded_sequence import EncodedSequence
from seqloom.nn.pooling import max_pool, mean_pool, sum_pool

poolings: dict[str, Callable[[EncodedSequence], Tensor]] = {
    "word-mean": lambda reading: mean_pool(reading.elements, reading.real),
    "word-sum": lambda reading: sum_pool(reading.elements, reading.real),
    "last": lambda reading: reading.summary,
    "mean": lambda reading: mean_pool(reading.outputs, reading.real),
    "max": lambda reading: max_pool(reading.outputs, reading.real),
}
"""The mean and the sum of the elements' embeddings; the summary; the mean and the elementwise maximum of the
outputs."""


def pooled(reading: EncodedSequence, pooling: str) -> Float[Tensor, "batch size"]:
    """One vector for each row, by the pooling method of that name."""
    return poolings[pooling](reading)
