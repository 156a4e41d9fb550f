"""Associative recall: items are shown, then one of them again; its successor is the answer (Graves et al. 2014,
4.3)."""

from __future__ import annotations

import numpy as np
from pydantic import Field, field_validator

from seqloom.config import Settings
from seqloom.data.algorithms import algorithms
from seqloom.data.algorithms.algorithm import Algorithm, Range, Span, SyntheticExample, blank, random_bits


class RecallSettings(Settings):
    bits: int = Field(6, gt=0, le=1_000, description="of a vector")
    vectors: int = Field(3, gt=0, le=1_000, description="of an item")
    items: Span = Field(Range(2, 6), description="items shown before the question")

    @field_validator("items")
    @classmethod
    def _has_a_next(cls, items: Range) -> Range:
        if items.low < 2:
            raise ValueError("at least two items, because the last one has no successor")
        return items


@algorithms.register("associative-recall")
class AssociativeRecall(Algorithm):
    """Recall the item that followed the item in question."""

    settings = RecallSettings

    def __init__(self, settings: RecallSettings) -> None:
        self.bits, self.vectors, self.items = settings.bits, settings.vectors, settings.items
        self.input_size, self.target_size = settings.bits + 2, settings.bits

    def draw(self, rng: np.random.Generator) -> SyntheticExample:
        items, size = self.items.draw(rng), self.vectors
        shown = random_bits(rng, items, size, self.bits)
        question = int(rng.integers(items - 1))
        example = blank((items + 1) * (size + 1) + 1 + size, self.input_size, self.target_size)
        rows = example.inputs[: (items + 1) * (size + 1)].reshape(items + 1, size + 1, self.input_size)
        rows[:items, 0, self.bits] = 1  # an item begins
        rows[items, 0, self.bits + 1] = 1  # the question begins here; it ends below
        rows[:items, 1:, : self.bits] = shown
        rows[items, 1:, : self.bits] = shown[question]
        example.inputs[-size - 1, self.bits + 1] = 1
        example.targets[-size:] = shown[question + 1]
        example.scored[-size:] = True
        return example
