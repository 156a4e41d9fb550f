"""Sound files as samples: WAV, FLAC, OGG and MP3, decoded by soundfile, mixed to one channel, resampled by soxr."""

from __future__ import annotations

import functools
import hashlib
import io
import struct
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import RequestError, SeqloomError, warn
from seqloom.files import ZIP_ERRORS, reading
from seqloom_portable.sound import ResampledStream, mixed

Samples = NDArray[np.float32]
"""(samples,) of one channel, from -1 to 1."""

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")

MOST_SECONDS = 24 * 3600.0
"""Longer recordings are refused before they are decoded."""


class SoundFile(NamedTuple):
    """Where the bytes of a recording are: a file, or the `member` of a zip archive. `where` is what errors name, the
    line of a manifest or the file itself."""

    path: str
    member: str
    where: str

    @property
    def name(self) -> str:
        return self.member or self.path

    def read(self) -> bytes:
        """Raises RequestError where there is no such file, SeqloomError where it is empty or broken."""
        try:
            if self.member:
                content = open_zip(self.path).read(self.member)
            else:
                with reading(self.path):
                    content = Path(self.path).read_bytes()
        except KeyError:
            raise RequestError(
                "the archive has no such recording",
                where=self.where,
                got=self.member,
                expected=f"a file in {self.path}",
            ) from None
        except ZIP_ERRORS as error:
            raise SeqloomError("the recording could not be read", where=self.where, got=str(error)) from None
        except SeqloomError as error:
            what = "the recording does not exist" if "exist" in error.what else error.what
            raise type(error)(what, where=self.where, got=error.got or self.path) from None
        if not content:
            raise SeqloomError("the recording is empty", where=self.where, got=f"{self.name}, 0 bytes")
        return content


class Sound(NamedTuple):
    """Decoded sound. `rate`: samples per second."""

    samples: Samples
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


SoundInput = SoundFile | str | Path | Sound | NDArray[np.floating[Any]]
"""A recording: where it is, its sound, or its samples at the rate of the model."""


def open_zip(path: str) -> zipfile.ZipFile:
    """The archive, opened once: its directory is read when it is opened. Raises SeqloomError where it is none."""
    with reading(path):
        facts = Path(path).stat()
    try:
        return _opened(path, facts.st_mtime_ns, facts.st_size)
    except ZIP_ERRORS as error:
        raise SeqloomError("the archive is broken", where=path, got=str(error), expected="a zip file") from None


@functools.lru_cache(maxsize=4)
def _opened(path: str, modified: int, size: int) -> zipfile.ZipFile:  # noqa: ARG001
    return zipfile.ZipFile(path)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sound_of(recording: SoundInput, rate: int, where: str) -> Sound:
    """The sound of a recording. `rate`: that of samples without one. Raises SeqloomError where there is none."""
    if isinstance(recording, str | Path):
        recording = SoundFile(str(recording), "", str(recording))
    if isinstance(recording, SoundFile):
        return decode(recording.read(), recording.where)
    if isinstance(recording, tuple) and len(recording) == 2:
        recording = Sound(np.asarray(recording[0], np.float32), int(recording[1]))
    if not isinstance(recording, Sound):
        recording = Sound(np.asarray(recording, np.float32), rate)
    if recording.samples.ndim != 1 or not len(recording.samples) or recording.rate <= 0:
        raise RequestError(
            "a recording is a row of samples of one channel", where=where,
            got=f"{recording.samples.shape} at {recording.rate} Hz", expected="(samples,) and a rate, or a path",
        )  # fmt: skip
    return recording


def decode(content: bytes, where: str) -> Sound:
    """The sound of a file's bytes, its channels averaged. Raises SeqloomError where it is broken, truncated, too long
    or has no samples."""
    soundfile = _library("soundfile")
    _check_riff(content, where)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate, channels, expected = int(file.samplerate), int(file.channels), int(file.frames)
            if expected / rate > MOST_SECONDS and expected < 2**62:
                raise SeqloomError(
                    "the recording is too long", where=where, got=f"{expected / rate / 3600:,.0f} hours",
                    expected=f"at most {MOST_SECONDS / 3600:.0f} hours",
                )  # fmt: skip
            samples = file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise SeqloomError(
            "the recording could not be decoded", where=where, got=error.error_string,
            expected="WAV, FLAC, OGG or MP3",
        ) from None  # fmt: skip
    if not len(samples):
        raise SeqloomError("the recording has no samples", where=where, got=f"{len(content)} bytes")
    if len(samples) < expected < 2**62:
        raise _truncated(where, f"{len(samples):,} of {expected:,} samples")
    if not np.isfinite(samples).all():
        raise SeqloomError("the recording has samples that are no numbers", where=where)
    return Sound(samples[:, 0] if channels == 1 else _mixed(samples, where), rate)


def _mixed(samples: NDArray[np.float32], where: str) -> Samples:
    one_channel, cancelled = mixed(samples)
    if cancelled:
        warn(
            "the channels of a recording cancel each other; the loudest one is read",
            where=where,
            got=f"{samples.shape[1]} channels of opposite phase",
        )
    return one_channel


def _check_riff(content: bytes, where: str) -> None:
    """Raises SeqloomError for a WAV file that ends before its header says; the library reads such a file in silence.
    A size of 0 or of all ones is that of a recording written to a pipe."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return
    at = 12
    while at + 8 <= len(content):
        name, size = content[at : at + 4], struct.unpack("<I", content[at + 4 : at + 8])[0]
        if name == b"data":
            there = len(content) - at - 8
            if there < size < 0xFFFFFF00:
                raise _truncated(where, f"{there:,} of {size:,} bytes of samples")
            return
        at += 8 + size + size % 2
    raise SeqloomError("the recording has no samples", where=where, got="a WAV file without a data chunk")


def _truncated(where: str, got: str) -> SeqloomError:
    return SeqloomError("the recording is truncated", where=where, got=got, hint="copy it again, or leave it out")


def resampled(sound: Sound, rate: int) -> Samples:
    """The samples at another rate."""
    if sound.rate == rate:
        return sound.samples
    return _library("soxr").resample(sound.samples, sound.rate, rate).astype(np.float32)


def resampled_stream(rate: int, new_rate: int) -> ResampledStream:
    """Resamples sound that comes in parts; raises RequestError where the library is not installed."""
    if rate != new_rate:
        _library("soxr")
    return ResampledStream(rate, new_rate)


def _library(name: str) -> ModuleType:
    """Only what reads sound needs it: an extra. Raises RequestError where it is not installed."""
    try:
        if name == "soxr":
            import soxr

            return soxr
        import soundfile

        return soundfile
    except (ModuleNotFoundError, OSError):
        raise RequestError(
            "a package that reads sound is not installed", got=name, hint="pip install 'seqloom[sound]'"
        ) from None
