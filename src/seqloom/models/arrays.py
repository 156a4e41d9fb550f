"""Arrays in a safetensors file: written one after the other, whole or not at all; memory-mapped, not read."""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import SeqloomError
from seqloom.files import reading, writing

_DTYPES: dict[str, np.dtype[Any]] = {"U32": np.dtype("<u4"), "F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
_BYTES_AT_ONCE = 1 << 24


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """A safetensors file, written array by array beside where it will stand; whole or not at all."""
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))  # so that every array is aligned
    kinds = {dtype: kind for kind, dtype in _DTYPES.items()}
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    at = 0
    for name in names:
        array = arrays[name]
        header[name] = {
            "dtype": kinds[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(path):
        try:
            with temporary.open("wb") as stream:
                stream.write(struct.pack("<Q", len(text)) + text)
                for name in names:
                    stream.writelines(_pieces(arrays[name]))
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _pieces(array: NDArray[Any]) -> Iterable[memoryview]:
    flat = np.ascontiguousarray(array).data.cast("B") if array.size else memoryview(b"")
    return (flat[start : start + _BYTES_AT_ONCE] for start in range(0, len(flat), _BYTES_AT_ONCE))


def map_arrays(path: Path, names: Container[str] | None = None) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file, or those with one of the `names`, memory-mapped."""
    with reading(path), path.open("rb") as stream:
        try:
            content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            (length,) = struct.unpack("<Q", content[:8])
            header = json.loads(content[8 : 8 + length])
            header.pop("__metadata__", None)
            found = {}
            for name, entry in header.items():
                if names is not None and name not in names:
                    continue
                start, stop = entry["data_offsets"]
                dtype: np.dtype[Any] = _DTYPES[entry["dtype"]]
                size = (stop - start) // dtype.itemsize
                found[name] = np.frombuffer(content, dtype, size, 8 + length + start).reshape(entry["shape"])
            return found
        except (ValueError, KeyError, TypeError, struct.error) as error:
            raise SeqloomError("the saved tensors could not be read", where=str(path), got=repr(error)) from None
