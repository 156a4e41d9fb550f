"""Dynamic n-grams: bits of a source that is new in every sequence (Graves et al. 2014, section 4.4)."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from seqloom.config import Settings
from seqloom.data.algorithms import algorithms
from seqloom.data.algorithms.algorithm import Algorithm, Range, Span, SyntheticExample, blank


class DynamicNgramSettings(Settings):
    order: int = Field(6, gt=0, le=16, description="n: a bit depends on the n - 1 before it")
    length: Span = Field(Range(200, 200), description="bits of a sequence")


@algorithms.register("dynamic-n-grams")
class DynamicNgrams(Algorithm):
    """Predict the next bit of a source whose probabilities, one for each context, are drawn anew from Beta(1/2, 1/2).

    The first n - 1 bits are thrown by a coin; what comes after them is scored.
    """

    settings = DynamicNgramSettings

    def __init__(self, settings: DynamicNgramSettings) -> None:
        self.context, self.length = settings.order - 1, settings.length
        self.input_size = self.target_size = 1

    def draw(self, rng: np.random.Generator) -> SyntheticExample:
        length = max(self.length.draw(rng), self.context + 2)
        probabilities = rng.beta(0.5, 0.5, 2**self.context).tolist()
        drawn, bits, seen = rng.random(length).tolist(), [], 0
        for step in range(length):
            bit = int(drawn[step] < (0.5 if step < self.context else probabilities[seen]))
            bits.append(bit)
            seen = (2 * seen + bit) % 2**self.context
        example = blank(length - 1, 1, 1)
        example.inputs[:, 0], example.targets[:, 0] = bits[:-1], bits[1:]
        example.scored[max(self.context - 1, 0) :] = True
        return example

    def optimal_nats(self, example: SyntheticExample) -> float:
        """Of the Bayesian estimate p(1) = (N1 + 1/2) / (N1 + N0 + 1), from the context's counts (equation 10)."""
        bits = [int(bit) for bit in [example.inputs[0, 0], *example.targets[:, 0]]]
        counts = [[0.5, 0.5] for _ in range(2**self.context)]
        total = 0.0
        for step in range(self.context, len(bits)):
            seen = counts[int("".join(map(str, bits[step - self.context : step])) or "0", 2)]
            if step > 0:  # without context, the first bit is not predicted: nothing comes before it
                total -= math.log(seen[bits[step]] / sum(seen))
            seen[bits[step]] += 1
        return total
