"""Log-mel frames of sound: the logarithm of its energy in bands of frequency, 100 times per second."""

from __future__ import annotations

import functools
import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""(samples,) of one channel, from -1 to 1."""

Frames = NDArray[np.float32]
"""(time, size)."""

_FLOOR = 1e-7
"""Energy that is added to every band, 70 dB beneath a full-scale sine: digital silence has a logarithm too."""
_LOWEST_HZ = 60.0
_FRAMES_AT_ONCE = 4_096


class Analysis(Protocol):
    """`rate` in samples per second; `bands` of a frame; the length of a window and the time from one frame to the next,
    in milliseconds."""

    @property
    def rate(self) -> int: ...
    @property
    def bands(self) -> int: ...
    @property
    def window_ms(self) -> float: ...
    @property
    def hop_ms(self) -> float: ...


def mel_filters(bands: int, window: int, rate: int) -> NDArray[np.float32]:
    """(bins, bands): triangles of equal width on the mel scale (Stevens et al. 1937; Davis and Mermelstein 1980), from
    60 Hz to half the rate, each of area 1 over the bins."""
    edges = _band_edges(bands, rate)
    bins = np.arange(_fft_size(window) // 2 + 1) * rate / _fft_size(window)
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    filters = np.clip(np.minimum(rising, falling), 0.0, None)
    # A band that is narrower than the distance of two bins takes the nearest bin.
    for band in np.flatnonzero(filters.sum(0) == 0):
        filters[int(np.abs(bins - edges[band + 1]).argmin()), band] = 1.0
    return (filters / filters.sum(0)).astype(np.float32)


def _mel(hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return 2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0)


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)


def mel_centres(bands: int, rate: int) -> NDArray[np.float64]:
    """(bands,): the frequency of each band's centre, in Hz."""
    return _band_edges(bands, rate)[1:-1]


def _band_edges(bands: int, rate: int) -> NDArray[np.float64]:
    """(bands + 2,): band i reaches from edge i to edge i + 2, in Hz, and has its centre between them."""
    return _hz(np.linspace(_mel(min(_LOWEST_HZ, rate / 8)), _mel(rate / 2), bands + 2))


def _fft_size(window: int) -> int:
    return 1 << math.ceil(math.log2(window))


@functools.lru_cache(maxsize=8)
def _analysis(bands: int, window: int, rate: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    taper = np.hanning(window + 2)[1:-1].astype(np.float32)
    return taper * (2.0 / taper.sum()), mel_filters(bands, window, rate)


class LogMel:
    """Frame t is of the samples from t * hop on, a window of them: it needs no later ones, so that sound that comes in
    parts has the frames of the whole."""

    def __init__(self, settings: Analysis) -> None:
        """`settings.rate` must be known by now."""
        self.rate, self.bands = settings.rate, settings.bands
        self.window = max(2, round(settings.window_ms * settings.rate / 1_000))
        self.hop = max(1, round(settings.hop_ms * settings.rate / 1_000))

    def count(self, samples: int) -> int:
        return max(0, (samples - self.window) // self.hop + 1)

    def frames(self, samples: Samples) -> Frames:
        """(time, bands): log(energy + 1e-7). Sound that is shorter than a window has one frame."""
        if len(samples) < self.window:
            samples = np.pad(samples, (0, self.window - len(samples)))
        taper, filters = _analysis(self.bands, self.window, self.rate)
        windows = np.lib.stride_tricks.sliding_window_view(samples, self.window)[:: self.hop]
        out = np.empty((len(windows), self.bands), np.float32)
        for first in range(0, len(windows), _FRAMES_AT_ONCE):
            spectrum = np.fft.rfft(windows[first : first + _FRAMES_AT_ONCE] * taper, _fft_size(self.window))
            power = spectrum.real**2 + spectrum.imag**2
            out[first : first + _FRAMES_AT_ONCE] = np.log(power.astype(np.float32) @ filters + _FLOOR)
        return out

    def stream(self) -> LogMelStream:
        return LogMelStream(self)


class LogMelStream:
    """The frames of sound that comes in parts."""

    def __init__(self, log_mel: LogMel) -> None:
        self._log_mel = log_mel
        self._rest = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> Frames:
        """The frames whose windows are complete with these samples."""
        sound = np.concatenate([self._rest, samples])
        count = self._log_mel.count(len(sound))
        self._rest = sound[count * self._log_mel.hop :]
        if not count:
            return np.zeros((0, self._log_mel.bands), np.float32)
        return self._log_mel.frames(sound[: (count - 1) * self._log_mel.hop + self._log_mel.window])
