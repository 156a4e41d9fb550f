"""Sound as samples of one channel: files are decoded by soundfile, other rates are resampled by soxr."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.errors import PortableError
from seqloom_portable.log_mel import Samples

_CANCELLED = 0.05
"""Of the louder channel's level: what is left where channels of opposite phase are added."""


def samples_of(recording: Any, rate: int, where: str) -> Samples:
    """The samples of a recording at `rate`: of a file's path, of samples (samples,) at this rate, or of samples and
    their rate. Raises PortableError where there are none."""
    if isinstance(recording, str | Path):
        sound = _read(str(recording))
    elif isinstance(recording, tuple) and len(recording) == 2:
        sound = _Sound(np.asarray(recording[0], np.float32), int(recording[1]))
    else:
        sound = _Sound(np.asarray(recording, np.float32), rate)
    samples = sound.samples
    if samples.ndim != 1 or not len(samples) or sound.rate <= 0 or not np.isfinite(samples).all():
        raise PortableError(f"{where} is no row of samples of one channel, or path: {samples.shape} at {sound.rate} Hz")
    if sound.rate == rate:
        return samples
    resampled: Samples = _library("soxr").resample(samples, sound.rate, rate).astype(np.float32)
    return resampled


class _Sound(NamedTuple):
    samples: NDArray[np.float32]
    rate: int


def _read(path: str) -> _Sound:
    soundfile = _library("soundfile")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:  # the library's errors are RuntimeErrors
        raise PortableError(f"{path} could not be decoded: {error}") from None
    return _Sound(mixed(samples)[0] if len(samples) else samples[:, 0], int(rate))


def mixed(samples: NDArray[np.float32]) -> tuple[Samples, bool]:
    """The mean of the channels (samples, channels). If they cancel each other, the loudest of them, and True."""
    mean = samples.mean(1)
    loudest = float(np.sqrt((samples**2).mean(0)).max())
    if loudest > 0 and float(np.sqrt((mean**2).mean())) < _CANCELLED * loudest:
        return samples[:, int((samples**2).mean(0).argmax())].copy(), True
    return (samples[:, 0] if samples.shape[1] == 1 else mean), False


class ResampledStream:
    """Resamples sound that comes in parts; all parts together are what resampling the whole gives, but for rounding."""

    def __init__(self, rate: int, new_rate: int) -> None:
        self._stream = None if rate == new_rate else _library("soxr").ResampleStream(rate, new_rate, 1, dtype="float32")

    def push(self, samples: Samples, last: bool = False) -> Samples:
        if self._stream is None:
            return samples
        resampled: Samples = self._stream.resample_chunk(samples, last=last).astype(np.float32)
        return resampled


def _library(name: str) -> Any:
    try:
        if name == "soxr":
            import soxr

            return soxr
        import soundfile

        return soundfile
    except (ImportError, OSError):
        raise PortableError(
            f"the package {name} is not installed: pip install 'seqloom-portable[sound]', or give samples at the rate "
            "of the model"
        ) from None
