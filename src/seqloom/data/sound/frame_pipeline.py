"""The settings of what a network reads of sound: log-mel frames, normalised, with deltas, stacked."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from seqloom.config import needs
from seqloom.data.sound.log_mel import LogMelSettings
from seqloom.errors import RequestError


class FeatureSettings(LogMelSettings):
    normalise: Literal["recording", "running", "training"] = Field(
        "recording",
        description="the mean that is subtracted from each band: that of the recording, of what was heard so far, or "
        "of the training data",
    )
    memory_seconds: float = Field(
        1.0, gt=0, le=3_600, description="running: the mean of the training data counts as so much sound before it"
    )
    subtract: Literal["bands", "smooth"] = Field(
        "bands",
        description="of that mean: bands: that of each band; smooth: its level, slope and coarse shape over the bands "
        "alone, the rest as in the training data, since the mean of a single word is its vowel more than its "
        "microphone",
        json_schema_extra=needs(normalise=["recording", "running"]),
    )
    loudness_power: float = Field(
        0.0, ge=0, le=4, description="frames count in that mean by the geometric mean of their bands' energies to this "
        "power; above 0, it is one of what is said, whatever silence there is around it; 0: all frames alike",
        json_schema_extra=needs(normalise=["recording", "running"]),
    )  # fmt: skip
    deltas: int = Field(0, ge=0, le=2, description="derivatives along time that each frame has too")
    stack: int = Field(3, gt=0, le=64, description="frames that are read together")
    stride: int = Field(2, gt=0, le=64, description="frames from one such stack to the next")

    @model_validator(mode="after")
    def _every_frame_is_read(self) -> FeatureSettings:
        if self.stride > self.stack:
            raise RequestError(
                "frames between two stacks would not be read", where="features.stride", got=self.stride,
                expected=f"at most features.stack, {self.stack}",
            )  # fmt: skip
        return self

    @property
    def size(self) -> int:
        """The numbers of what a network reads at a step."""
        return self.bands * (1 + self.deltas) * self.stack

    @property
    def step_seconds(self) -> float:
        return self.hop_ms * self.stride / 1_000

    def steps(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many stacks there are of so many frames."""
        return np.maximum((frames - self.stack) // self.stride + 1, 1)
