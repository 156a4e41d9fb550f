"""The settings of log-mel frames of sound."""

from __future__ import annotations

from pydantic import Field

from seqloom.config import Settings


class LogMelSettings(Settings):
    rate: int = Field(
        0, ge=0, le=192_000, description="samples per second that sound is resampled to; 0: that of most recordings, "
        "at most 16,000"
    )  # fmt: skip
    bands: int = Field(40, gt=0, le=256, description="mel bands of a frame")
    window_ms: float = Field(25.0, gt=1, le=1_000, description="length of a frame's window in milliseconds")
    hop_ms: float = Field(10.0, gt=1, le=1_000, description="milliseconds from one frame to the next")
