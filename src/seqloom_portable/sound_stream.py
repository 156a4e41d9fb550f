"""Streams of sound: WAV, or bare 16-bit samples, read as they come."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from seqloom_portable.errors import PortableError
from seqloom_portable.log_mel import Samples

_BYTES_AT_ONCE = 3_200
"""A fifth of a second at 8 kHz, a tenth at 16 kHz."""


class SoundStream:
    """A WAV stream of 16-bit samples, or else 16-bit samples of one channel at `rate` per second. Its parts are
    (samples,), channels averaged. Raises PortableError for a WAV stream of other samples."""

    def __init__(self, stream: BinaryIO, rate: int) -> None:
        self._stream, self.rate, self._channels = stream, rate, 1
        self._left_over = stream.read(12)
        if self._left_over[:4] == b"RIFF" and self._left_over[8:] == b"WAVE":
            self._left_over = b""
            self._read_header()

    def _read_header(self) -> None:
        while len(chunk := self._stream.read(8)) == 8:
            name, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
            if name == b"data":
                return
            content = self._stream.read(size + size % 2)
            if name == b"fmt " and len(content) >= 16:
                kind, self._channels, self.rate, _, _, bits = struct.unpack("<HHIIHH", content[:16])
                if kind not in (1, 0xFFFE) or bits != 16 or not self._channels:
                    raise PortableError(f"the stream is not of 16-bit samples, but of format {kind} with {bits} bits")

    def __iter__(self) -> Iterator[Samples]:
        width, left_over = 2 * self._channels, self._left_over
        read: Any = getattr(self._stream, "read1", self._stream.read)
        while part := read(_BYTES_AT_ONCE):
            content = left_over + part
            num_bytes = len(content) - len(content) % width
            left_over = content[num_bytes:]
            frames = np.frombuffer(content[:num_bytes], "<i2").reshape(-1, self._channels)
            yield (frames.mean(1) / 32_768).astype(np.float32)
