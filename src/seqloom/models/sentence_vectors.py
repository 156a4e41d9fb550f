"""What was made of a sequence, as one vector of a length that is the same for every sequence."""

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
"""The mean and the sum of the elements' own vectors; the whole in one vector, a recurrent layer's last state; the mean
and the largest of what the layer gives at each element."""


def pooled(reading: EncodedSequence, pooling: str) -> Float[Tensor, "batch size"]:
    """A vector a row."""
    return poolings[pooling](reading)
