"""Copy: repeat a sequence of bit vectors (Graves et al. 2014, section 4.1)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from seqloom.config import Settings
from seqloom.data.algorithms import algorithms
from seqloom.data.algorithms.algorithm import Algorithm, Range, Span, SyntheticExample, blank, random_bits


class CopySettings(Settings):
    bits: int = Field(8, gt=0, le=1_000, description="of a vector")
    length: Span = Field(Range(1, 20), description="vectors to be copied")


@algorithms.register("copy")
class Copy(Algorithm):
    """Repeat a sequence of bit vectors."""

    settings = CopySettings

    def __init__(self, settings: CopySettings) -> None:
        self.bits, self.length = settings.bits, settings.length
        self.input_size, self.target_size = settings.bits + 1, settings.bits

    def draw(self, rng: np.random.Generator) -> SyntheticExample:
        length = self.length.draw(rng)
        example = blank(2 * length + 1, self.input_size, self.target_size)
        vectors = random_bits(rng, length, self.bits)
        example.inputs[:length, : self.bits] = vectors
        example.inputs[length, self.bits] = 1  # the end of what is to be copied
        example.targets[length + 1 :] = vectors
        example.scored[length + 1 :] = True
        return example
