"""What an algorithm is to its task: a maker of examples, as many as are wanted. Knows none by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, PlainSerializer

from seqloom.config import Settings

Numbers = NDArray[np.float32]


class SyntheticExample(NamedTuple):
    """One example. `inputs` (time, in); `targets` (time, out), zeros and ones; `scored` (time,), True where an answer
    is expected."""

    inputs: Numbers
    targets: Numbers
    scored: NDArray[np.bool_]


class Range(NamedTuple):
    """From `low` to `high`, both included."""

    low: int
    high: int

    def draw(self, chance: np.random.Generator) -> int:
        return int(chance.integers(self.low, self.high + 1))

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


def _range(given: Any) -> Range:
    """`20` or `"1-20"`."""
    low, dash, high = str(given).partition("-")
    try:
        found = Range(int(low), int(high if dash else low))
    except ValueError:
        found = Range(0, 0)
    if not 1 <= found.low <= found.high <= 10_000:
        raise ValueError("a number from 1 on, or two with a dash, such as 1-20")
    return found


Span = Annotated[Range, BeforeValidator(_range), PlainSerializer(str)]
"""The type of a setting that is a range, written `20` or `1-20`."""


class Algorithm(ABC):
    """Built as `Kind(settings)`; `draw` gives one example after the other."""

    settings: ClassVar[type[Settings]]

    input_size: int
    target_size: int

    @abstractmethod
    def draw(self, chance: np.random.Generator) -> SyntheticExample: ...

    def optimal_nats(self, exercise: SyntheticExample) -> float | None:  # noqa: ARG002
        """What the best possible predictor would lose on it, where that is not nothing."""
        return None


def blank(time: int, input_size: int, target_size: int) -> SyntheticExample:
    """One of zeros, in which nothing is expected."""
    return SyntheticExample(
        np.zeros((time, input_size), np.float32), np.zeros((time, target_size), np.float32), np.zeros(time, np.bool_)
    )


def random_bits(chance: np.random.Generator, *shape: int) -> Numbers:
    return chance.integers(0, 2, shape).astype(np.float32)
