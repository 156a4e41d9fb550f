"""The contract of an algorithm: it draws examples, as many as are needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, PlainSerializer

from seqloom.config import Settings

Numbers = NDArray[np.float32]


class SyntheticExample(NamedTuple):
    """One example. `inputs` (time, in); `targets` (time, out), zeros and ones; `scored` (time,), True at the steps that
    are scored."""

    inputs: Numbers
    targets: Numbers
    scored: NDArray[np.bool_]


class Range(NamedTuple):
    """From `low` to `high`, both included."""

    low: int
    high: int

    def draw(self, rng: np.random.Generator) -> int:
        return int(rng.integers(self.low, self.high + 1))

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


def _range(value: Any) -> Range:
    """`20` or `"1-20"` as a range."""
    low, dash, high = str(value).partition("-")
    try:
        parsed = Range(int(low), int(high if dash else low))
    except ValueError:
        parsed = Range(0, 0)
    if not 1 <= parsed.low <= parsed.high <= 10_000:
        raise ValueError("a number from 1 to 10,000, or two such numbers with a dash, such as 1-20")
    return parsed


Span = Annotated[Range, BeforeValidator(_range), PlainSerializer(str)]
"""The type of a setting that is a range, written `20` or `1-20`."""


class Algorithm(ABC):
    """A source of examples, built from its settings; each call of `draw` returns a new example."""

    settings: ClassVar[type[Settings]]

    input_size: int
    target_size: int

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> SyntheticExample: ...

    def optimal_nats(self, example: SyntheticExample) -> float | None:  # noqa: ARG002
        """The loss of the best possible predictor on the example, in nats; None if it is zero."""
        return None


def blank(time: int, input_size: int, target_size: int) -> SyntheticExample:
    """An example of zeros, in which no step is scored."""
    return SyntheticExample(
        np.zeros((time, input_size), np.float32), np.zeros((time, target_size), np.float32), np.zeros(time, np.bool_)
    )


def random_bits(rng: np.random.Generator, *shape: int) -> Numbers:
    return rng.integers(0, 2, shape).astype(np.float32)
