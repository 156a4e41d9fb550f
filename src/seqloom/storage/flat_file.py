"""Numbers of one type in a file without a header: appended array by array, memory-mapped when read."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from seqloom.files import writing


class FlatFileWriter:
    """Appends arrays to a new file as numbers of `dtype`."""

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self._path, self._dtype = path, np.dtype(dtype)
        with writing(path):
            self._stream = path.open("wb")

    def add(self, numbers: ArrayLike) -> None:
        with writing(self._path):
            # Not tofile, whose error does not say that the disk is full.
            self._stream.write(np.ascontiguousarray(numbers, self._dtype).tobytes())

    def close(self) -> None:
        with writing(self._path):
            self._stream.close()

    def discard(self) -> None:
        """Closes the file, whatever becomes of what was written."""
        with contextlib.suppress(OSError):  # closing writes what is buffered, which a full disk refuses
            self._stream.close()


def map_flat_file(path: Path, dtype: DTypeLike) -> NDArray[Any]:
    """The numbers of a file, memory-mapped and read-only; an empty file, which cannot be mapped, is an empty array."""
    return np.memmap(path, dtype=dtype, mode="r") if path.stat().st_size else np.zeros(0, dtype=dtype)
