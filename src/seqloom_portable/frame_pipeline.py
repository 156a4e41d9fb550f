"""From log-mel frames to what a network reads: normalised, with deltas, stacked; the same whole or part by part."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.log_mel import Analysis, Frames

_DELTA_SPAN = 4
"""A delta is the slope of the last five frames; a second delta that of the last five deltas."""


TERMS = 4
"""Of a cosine series over the bands: the level, the slope, and two that are a little finer."""


class Features(Analysis, Protocol):
    """`normalise`: recording, running or training; `subtract`: of the mean, `smooth` or else each band;
    `loudness_power`: how much more loud frames count in the mean; `stack` frames are read together, `stride` frames
    from one such stack to the next."""

    @property
    def normalise(self) -> str: ...
    @property
    def subtract(self) -> str: ...
    @property
    def memory_seconds(self) -> float: ...
    @property
    def loudness_power(self) -> float: ...
    @property
    def deltas(self) -> int: ...
    @property
    def stack(self) -> int: ...
    @property
    def stride(self) -> int: ...


class FramePipeline:
    """Carries what frames that come in parts depend on: sums, the last frames, a stack that is not full. `mean` and
    `deviation`: of each band over the training data."""

    def __init__(self, settings: Features, mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> None:
        self._settings, self._mean, self._deviation = settings, mean, deviation
        self._prior = settings.memory_seconds * 1_000 / settings.hop_ms
        self._sum, self._count = mean.astype(np.float64) * self._prior, self._prior
        self._smooth = smooth_part(settings.bands) if settings.subtract == "smooth" else None
        self._before: list[Frames | None] = [None] * settings.deltas
        self._waiting = np.zeros((0, settings.bands * (1 + settings.deltas)), np.float32)
        self._nothing = np.zeros((0, settings.stack * self._waiting.shape[1]), np.float32)

    def push(self, log_mel: Frames) -> Frames:
        """(steps, size): the stacks that are full with these frames. Not for `normalise=recording`, which needs the
        whole."""
        if not len(log_mel):
            return self._nothing
        return self._stacked(self._with_deltas(self._normalised(log_mel, self._running_mean(log_mel))))

    def all_frames(self, log_mel: Frames) -> Frames:
        """All stacks of a recording, at least one: zeros fill it up where the recording is shorter."""
        of_recording = self._settings.normalise == "recording"
        mean = self._whole_mean(log_mel) if of_recording else self._running_mean(log_mel)
        normalised = self._normalised(log_mel, mean)
        short = self._settings.stack - len(log_mel)
        if short > 0:
            normalised = np.pad(normalised, ((0, short), (0, 0)))
        return self._stacked(self._with_deltas(normalised.astype(np.float32)))

    def _normalised(self, log_mel: Frames, mean: NDArray[np.float32]) -> Frames:
        """`mean`: that of the recording, or so far at each frame."""
        if self._smooth is not None:
            mean = self._mean + ((mean - self._mean) @ self._smooth).astype(np.float32)
        return (log_mel - mean) / self._deviation

    def _weights(self, frames: Frames) -> NDArray[np.float64]:
        """(time, 1): what the frames count in a mean, one that is as loud as the training data 1."""
        levels = frames.mean(1, keepdims=True, dtype=np.float64) - self._mean.mean(dtype=np.float64)
        return np.exp(self._settings.loudness_power * levels)

    def _whole_mean(self, frames: Frames) -> NDArray[np.float32]:
        if not self._settings.loudness_power:
            return frames.mean(0)
        weights = self._weights(frames)
        return ((frames * weights).sum(0) / weights.sum()).astype(np.float32)

    def _running_mean(self, frames: Frames) -> NDArray[np.float32]:
        if self._settings.normalise != "running":
            return self._mean
        weights = self._weights(frames)
        sums = self._sum + np.cumsum(frames * weights, axis=0)
        counts = self._count + np.cumsum(weights, axis=0)
        self._sum, self._count = sums[-1], float(counts[-1, 0])
        return (sums / counts).astype(np.float32)

    def _with_deltas(self, frames: Frames) -> Frames:
        parts = [frames.astype(np.float32)]
        for order in range(self._settings.deltas):
            before = self._before[order]
            if before is None:
                before = np.repeat(parts[-1][:1], _DELTA_SPAN, axis=0)
            padded = np.concatenate([before, parts[-1]])
            self._before[order] = padded[-_DELTA_SPAN:]
            slope = sum(np.float32(k / 10) * padded[2 + k : 2 + k + len(frames)] for k in (-2, -1, 1, 2))
            parts.append(np.asarray(slope, np.float32))
        return np.concatenate(parts, axis=1)

    def _stacked(self, frames: Frames) -> Frames:
        stack, stride = self._settings.stack, self._settings.stride
        waiting = np.concatenate([self._waiting, frames])
        count = max(0, (len(waiting) - stack) // stride + 1)
        self._waiting = waiting[count * stride :]
        if not count:
            return self._nothing
        windows = np.lib.stride_tricks.sliding_window_view(waiting, stack, axis=0)[: count * stride : stride]
        return windows.transpose(0, 2, 1).reshape(count, -1).copy()


def smooth_part(bands: int) -> NDArray[np.float32]:
    """(bands, bands): what projects a spectrum on the first terms of a cosine series (as low-order cepstra)."""
    places = (np.arange(bands) + 0.5) / bands
    terms = np.cos(np.pi * np.arange(min(TERMS, bands))[:, None] * places)
    terms /= np.sqrt((terms**2).sum(1, keepdims=True))
    return (terms.T @ terms).astype(np.float32)
