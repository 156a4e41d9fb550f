"""Priority sort: vectors with priorities; those with the highest are asked for in order (Graves et al. 2014, 4.5)."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from seqloom.config import Settings
from seqloom.data.algorithms import algorithms
from seqloom.data.algorithms.algorithm import Algorithm, SyntheticExample, blank, random_bits


class PrioritySortSettings(Settings):
    bits: int = Field(8, gt=0, le=1_000, description="of a vector")
    inputs: int = Field(20, gt=0, le=10_000, description="vectors that are shown, each with its priority")
    outputs: int = Field(16, gt=0, le=10_000, description="of the highest priorities, to be said from the highest on")

    @model_validator(mode="after")
    def _outputs_are_inputs(self) -> PrioritySortSettings:
        if self.outputs > self.inputs:
            raise ValueError(f"no more outputs than inputs ({self.inputs})")
        return self


@algorithms.register("priority-sort")
class PrioritySort(Algorithm):
    """Say the vectors of the highest priorities, the highest first."""

    settings = PrioritySortSettings

    def __init__(self, settings: PrioritySortSettings) -> None:
        self.bits, self.shown, self.said = settings.bits, settings.inputs, settings.outputs
        self.input_size, self.target_size = settings.bits + 2, settings.bits

    def draw(self, chance: np.random.Generator) -> SyntheticExample:
        exercise = blank(self.shown + 1 + self.said, self.input_size, self.target_size)
        vectors, priorities = random_bits(chance, self.shown, self.bits), chance.uniform(-1, 1, self.shown)
        exercise.inputs[: self.shown, : self.bits] = vectors
        exercise.inputs[: self.shown, self.bits] = priorities
        exercise.inputs[self.shown, self.bits + 1] = 1
        exercise.targets[-self.said :] = vectors[np.argsort(-priorities, kind="stable")[: self.said]]
        exercise.scored[-self.said :] = True
        return exercise
