"""Writes a matrix row by row as a .npy file, with one row in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


def write_matrix(stream: BinaryIO, rows: Iterable[NDArray[np.float32]]) -> None:
    """Writes (rows, size) at the start of an empty stream. All rows have the same size; at least one is required."""
    count, size = 0, 0
    for row in rows:
        if not count:
            size = len(row)
            _write_header(stream, 0, size)
            start = stream.tell()
        stream.write(np.ascontiguousarray(row, np.float32).tobytes())
        count += 1
    stream.seek(0)
    _write_header(stream, count, size)  # as long as the first header, since numpy reserves space for the number of rows
    assert stream.tell() == start


def _write_header(stream: BinaryIO, rows: int, size: int) -> None:
    kind = {"descr": npy.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": (rows, size)}
    npy.write_array_header_1_0(stream, kind)
