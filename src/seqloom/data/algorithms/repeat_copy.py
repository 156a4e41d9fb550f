"""Repeat copy: repeat a sequence of bit vectors a given number of times (Graves et al. 2014, section 4.2)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from seqloom.config import Settings
from seqloom.data.algorithms import algorithms
from seqloom.data.algorithms.algorithm import Algorithm, Range, Span, SyntheticExample, blank, random_bits

_TRAINED = Range(1, 10)
"""The range of the paper. Its mean and deviation always scale the number of repeats, so that 20 means the same to a
model that was trained on 1 to 10."""

_MEAN = (_TRAINED.low + _TRAINED.high) / 2
_DEVIATION = (((_TRAINED.high - _TRAINED.low + 1) ** 2 - 1) / 12) ** 0.5


class RepeatCopySettings(Settings):
    bits: int = Field(8, gt=0, le=1_000, description="of a vector")
    length: Span = Field(Range(1, 10), description="vectors to be copied")
    repeats: Span = Field(_TRAINED, description="how often they are repeated")


@algorithms.register("repeat-copy")
class RepeatCopy(Algorithm):
    """Repeat a sequence of bit vectors a given number of times, then mark the end."""

    settings = RepeatCopySettings

    def __init__(self, settings: RepeatCopySettings) -> None:
        self.bits, self.length, self.repeats = settings.bits, settings.length, settings.repeats
        self.input_size, self.target_size = settings.bits + 2, settings.bits + 1

    def draw(self, rng: np.random.Generator) -> SyntheticExample:
        length, repeats = self.length.draw(rng), self.repeats.draw(rng)
        example = blank(length + 1 + length * repeats + 1, self.input_size, self.target_size)
        vectors = random_bits(rng, length, self.bits)
        example.inputs[:length, : self.bits] = vectors
        example.inputs[length, self.bits :] = 1, (repeats - _MEAN) / _DEVIATION
        example.targets[length + 1 : -1, : self.bits] = np.tile(vectors, (repeats, 1))
        example.targets[-1, self.bits] = 1
        example.scored[length + 1 :] = True
        return example
