"""Priority sort: order the vectors with the highest priorities (Graves et al. 2014, section 4.5)."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from seqloom.config import Settings
from seqloom.data.algorithms import algorithms
from seqloom.data.algorithms.algorithm import Algorithm, SyntheticExample, blank, random_bits


class PrioritySortSettings(Settings):
    bits: int = Field(8, gt=0, le=1_000, description="of a vector")
    inputs: int = Field(20, gt=0, le=10_000, description="vectors that are shown, each with its priority")
    outputs: int = Field(16, gt=0, le=10_000, description="vectors of the answer, from the highest priority down")

    @model_validator(mode="after")
    def _outputs_are_inputs(self) -> PrioritySortSettings:
        if self.outputs > self.inputs:
            raise ValueError(f"no more outputs than inputs ({self.inputs})")
        return self


@algorithms.register("priority-sort")
class PrioritySort(Algorithm):
    """Output the vectors with the highest priorities, the highest first."""

    settings = PrioritySortSettings

    def __init__(self, settings: PrioritySortSettings) -> None:
        self.bits, self.num_inputs, self.num_outputs = settings.bits, settings.inputs, settings.outputs
        self.input_size, self.target_size = settings.bits + 2, settings.bits

    def draw(self, rng: np.random.Generator) -> SyntheticExample:
        example = blank(self.num_inputs + 1 + self.num_outputs, self.input_size, self.target_size)
        vectors, priorities = random_bits(rng, self.num_inputs, self.bits), rng.uniform(-1, 1, self.num_inputs)
        example.inputs[: self.num_inputs, : self.bits] = vectors
        example.inputs[: self.num_inputs, self.bits] = priorities
        example.inputs[self.num_inputs, self.bits + 1] = 1
        example.targets[-self.num_outputs :] = vectors[np.argsort(-priorities, kind="stable")[: self.num_outputs]]
        example.scored[-self.num_outputs :] = True
        return example
