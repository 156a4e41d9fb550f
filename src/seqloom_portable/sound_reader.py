"""From samples of sound to the frames that a network reads, as in training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqloom_portable.frame_pipeline import FramePipeline
from seqloom_portable.log_mel import Frames, LogMel
from seqloom_portable.sound import samples_of


class SoundFeatures(NamedTuple):
    """What a network reads of sound; the settings of the run describe each."""

    rate: int
    bands: int
    window_ms: float
    hop_ms: float
    normalise: str
    memory_seconds: float
    deltas: int
    stack: int
    stride: int
    subtract: str = "bands"
    loudness_power: float = 0.0

    @property
    def step_seconds(self) -> float:
        return self.hop_ms * self.stride / 1_000


class SoundReader:
    """Reads `features.json`: the features, and the mean and the deviation of each band over the training data."""

    def __init__(self, folder: Path) -> None:
        content = json.loads((folder / "features.json").read_text(encoding="utf-8"))
        self.features = SoundFeatures(**content["features"])
        self.log_mel = LogMel(self.features)
        self._mean, self._deviation = (np.array(content[name], np.float32) for name in ("mean", "deviation"))

    def log_mel_of(self, recording: Any, where: str) -> Frames:
        """(time, bands), of a file's path, of samples at the rate of the model, or of samples and their rate."""
        return self.log_mel.frames(samples_of(recording, self.features.rate, where))

    def pipeline(self) -> FramePipeline:
        return FramePipeline(self.features, self._mean, self._deviation)

    def frames(self, log_mel: Frames) -> Frames:
        """What the network reads of a whole recording, (steps, size)."""
        return self.pipeline().all_frames(log_mel)
