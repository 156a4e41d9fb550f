"""Files without a header, written part by part: numbers of one type, which are memory-mapped when read, or lines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from seqloom.files import writing


class _Appended:
    """A new file to which parts are appended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with writing(path):
            self._stream = path.open("wb")

    def _append(self, part: bytes) -> None:
        with writing(self._path):
            self._stream.write(part)

    def close(self) -> None:
        with writing(self._path):
            self._stream.close()

    def discard(self) -> None:
        """Closes the file without an error, when its content is no longer needed."""
        with contextlib.suppress(OSError):  # closing writes buffered bytes, which fails on a full disk
            self._stream.close()


class FlatFileWriter(_Appended):
    """Appends arrays to a new file as numbers of `dtype`."""

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        super().__init__(path)
        self._dtype = np.dtype(dtype)

    def add(self, numbers: ArrayLike) -> None:
        self._append(np.ascontiguousarray(numbers, self._dtype).tobytes())  # tofile would not report a full disk


class LineFileWriter(_Appended):
    """Appends lines to a new UTF-8 file."""

    def add(self, lines: Iterable[str]) -> None:
        self._append("".join(f"{line}\n" for line in lines).encode())


def map_flat_file(path: Path, dtype: DTypeLike) -> NDArray[Any]:
    """The numbers of a file, memory-mapped and read-only. An empty file, which cannot be mapped, gives an empty
    array."""
    return np.memmap(path, dtype=dtype, mode="r") if path.stat().st_size else np.zeros(0, dtype=dtype)
