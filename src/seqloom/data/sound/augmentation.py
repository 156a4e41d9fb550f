"""Changed copies of recordings for training, made of their log-mel frames: speed, vocal tract, noise, masks.

All of it is a function of the random generator that is handed in, and none needs the sound again: energies of sounds
that are not correlated add up, and a speed that is changed stretches time and shifts frequencies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqloom.config import Settings
from seqloom.data.example import Frames
from seqloom.data.sound.frame_pipeline import FeatureSettings
from seqloom_portable.log_mel import mel_centres

_QUIET = -16.0
"""About the logarithm of the energy that every band has, that of digital silence."""


_FILTER_TERMS = 6


class AugmentSettings(Settings):
    speed: float = Field(0.15, ge=0, lt=0.9, description="largest change of speed, as a share; 0: none")
    vocal_tract: float = Field(0.12, ge=0, lt=0.9, description="largest change of frequencies, as a share")
    noise: float = Field(0.7, ge=0, le=1, description="share of the recordings that noise is added to")
    loudest_noise_db: float = Field(0.0, ge=-30, le=100, description="least signal-to-noise ratio of those, in dB")
    filter_db: float = Field(
        3.0, ge=0, le=60, description="deviation of each term of a smooth random filter, as of another microphone, in "
        "dB; with features.subtract=smooth alone, since otherwise it is subtracted"
    )  # fmt: skip
    gain_db: float = Field(6.0, ge=0, le=60, description="largest change of loudness, in dB")
    frequency_masks: int = Field(2, ge=0, le=32, description="bands of frequencies that are masked (SpecAugment)")
    frequency_width: float = Field(0.15, ge=0, le=1, description="widest of these masks, as a share of all bands")
    time_masks: int = Field(2, ge=0, le=32, description="stretches of time that are masked, a second or less each")
    time_width: float = Field(0.1, ge=0, le=1, description="longest of these masks, as a share of the recording")
    join: int = Field(
        0, ge=0, le=64, description="most recordings that are joined in one; 0: 4 of single words, else 1"
    )
    gap_ms: float = Field(300.0, ge=0, le=10_000, description="longest silence between recordings that are joined")
    silence: float = Field(0.02, ge=0, le=1, description="share of examples of noise and silence, without words")


class Augmentation:
    def __init__(self, settings: AugmentSettings, features: FeatureSettings) -> None:
        self.settings, self._features = settings, features
        self._centres = mel_centres(features.bands, features.rate)

    def changed(self, log_mel: Frames, rng: np.random.Generator, shortest: int = 1) -> Frames:
        """A copy at another speed, of another vocal tract, loudness and noise; `shortest`: its fewest frames."""
        options = self.settings
        if options.filter_db and self._features.subtract == "smooth":
            log_mel = log_mel + self._filter(rng)
        speed = float(np.exp(rng.uniform(-1, 1) * np.log1p(options.speed)))
        tract = float(np.exp(rng.uniform(-1, 1) * np.log1p(options.vocal_tract)))
        length = max(shortest, round(len(log_mel) / speed), 1)
        frames = _stretched(log_mel, length) if length != len(log_mel) else log_mel
        # The speed itself moves the frequencies half as far as a tape would: voices change less than that.
        frames = self._warped(frames, tract * speed**0.5)
        frames = frames + np.float32(rng.uniform(-1, 1) * options.gain_db * np.log(10) / 10)
        if rng.random() < options.noise:
            frames = self._noisy(frames, rng)
        return frames

    def masked(self, frames: Frames, rng: np.random.Generator) -> Frames:
        """Masks bands and stretches by the mean of each band (Park et al. 2019)."""
        options, time, bands = self.settings, *frames.shape
        frames, mean = frames.copy(), frames.mean(0)
        for _ in range(options.frequency_masks):
            width = int(rng.integers(0, max(int(options.frequency_width * bands), 0) + 1))
            first = int(rng.integers(0, bands - width + 1))
            frames[:, first : first + width] = mean[first : first + width]
        longest = int(min(options.time_width * time, 1_000 / self._features.hop_ms))
        for _ in range(options.time_masks):
            width = int(rng.integers(0, longest + 1))
            first = int(rng.integers(0, time - width + 1))
            frames[first : first + width] = mean
        return frames

    def silence(self, frames: int, level: float, rng: np.random.Generator) -> Frames:
        """Noise of a random colour about this `level` (log-energy), or below it."""
        shape = self._colour(rng) + level + rng.uniform(-6, 1)
        power = _fluctuation((frames, self._features.bands), rng) * np.exp(shape)
        return np.log(power + np.exp(_QUIET)).astype(np.float32)

    def joined(self, parts: list[Frames], rng: np.random.Generator) -> Frames:
        """The parts one after the other, with gaps of noise about as loud as the quietest frames around them."""
        frames = [parts[0]]
        for part in parts[1:]:
            gap = int(rng.integers(0, int(self.settings.gap_ms / self._features.hop_ms) + 1))
            if gap:
                level = float(min(np.quantile(frames[-1].mean(1), 0.05), np.quantile(part.mean(1), 0.05)))
                frames.append(self.silence(gap, level, rng))
            frames.append(part)
        return np.concatenate(frames)

    def _warped(self, frames: Frames, factor: float) -> Frames:
        """Frequencies multiplied by `factor`, as by a shorter vocal tract (Jaitly and Hinton 2013)."""
        if abs(factor - 1) < 1e-3:
            return frames
        places = np.interp(self._centres / factor, self._centres, np.arange(len(self._centres)))
        low = np.minimum(places.astype(np.int64), len(places) - 2)
        share = (places - low).astype(np.float32)
        return frames[:, low] * (1 - share) + frames[:, low + 1] * share

    def _noisy(self, frames: Frames, rng: np.random.Generator) -> Frames:
        """With noise of a random colour and of a ratio that is drawn too."""
        ratio_db = rng.uniform(self.settings.loudest_noise_db, self.settings.loudest_noise_db + 30)
        signal = float(np.log(np.exp(frames).mean()))
        colour = self._colour(rng)
        colour -= np.log(np.exp(colour).mean())
        level = signal - ratio_db * np.log(10) / 10
        power = np.exp(frames) + _fluctuation(frames.shape, rng) * np.exp(colour + level)
        return np.log(power).astype(np.float32)

    def _filter(self, rng: np.random.Generator) -> Frames:
        """(bands,): a smooth curve of log-energies, the first terms of a cosine series, the later the smaller."""
        terms = np.arange(1, _FILTER_TERMS + 1)
        heights = rng.normal(size=_FILTER_TERMS) * self.settings.filter_db * np.log(10) / 10 / np.sqrt(terms)
        places = (np.arange(self._features.bands) + 0.5) / self._features.bands
        return (heights @ np.cos(np.pi * terms[:, None] * places)).astype(np.float32)

    def _colour(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """(bands,): a smooth random shape of log-energies: a slope and a bump."""
        places = np.linspace(-1, 1, self._features.bands)
        slope, height = rng.uniform(-2, 1), rng.normal() * 1.5
        return slope * places + height * np.exp(-(((places - rng.uniform(-1, 1)) / 0.4) ** 2))


def _stretched(frames: Frames, length: int) -> Frames:
    """Interpolated to another length."""
    places = np.linspace(0, len(frames) - 1, length)
    low = np.minimum(places.astype(np.int64), max(len(frames) - 2, 0))
    share = (places - low)[:, None].astype(np.float32)
    return frames[low] * (1 - share) + frames[np.minimum(low + 1, len(frames) - 1)] * share


def _fluctuation(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """The energy of noise in a band of some bins varies about its mean."""
    return rng.standard_gamma(3.0, shape) / 3.0
