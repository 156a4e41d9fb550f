"""What was made of a sequence, as one vector of a length that is the same for every sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from jaxtyping import Float
from torch import Tensor

from seqloom.errors import unknown_name
from seqloom.models.reading import Reading
from seqloom.nn.pooling import max_pool, mean_pool, sum_pool

AUTO: Final = "auto"
"""The pooling that a task finds best for its models."""

poolings: dict[str, Callable[[Reading], Tensor]] = {
    "word-mean": lambda reading: mean_pool(reading.elements, reading.real),
    "word-sum": lambda reading: sum_pool(reading.elements, reading.real),
    "last": lambda reading: reading.summary,
    "mean": lambda reading: mean_pool(reading.outputs, reading.real),
    "max": lambda reading: max_pool(reading.outputs, reading.real),
}
"""The mean and the sum of the elements' own vectors; the whole in one vector, a recurrent layer's last state; the mean
and the largest of what the layer gives at each element."""


def check_pooling(pooling: str) -> None:
    """Raises RequestError where there is none of this name."""
    if pooling != AUTO and pooling not in poolings:
        raise unknown_name("pooling", pooling, [AUTO, *poolings], where="pooling")


def pooled(reading: Reading, pooling: str) -> Float[Tensor, "batch size"]:
    """A vector a row."""
    return poolings[pooling](reading)
