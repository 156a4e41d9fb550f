"""Arrays in a safetensors file: written one after the other, atomically, and memory-mapped."""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import SeqloomError
from seqloom.files import reading, writing_atomic
from seqloom.memory import give_back_pages

_DTYPES: dict[str, np.dtype[Any]] = {
    "U8": np.dtype("u1"),
    "U32": np.dtype("<u4"),
    "I64": np.dtype("<i8"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}
_KINDS = {dtype: kind for kind, dtype in _DTYPES.items()}
_BYTES_AT_ONCE = 1 << 20


class Entry(NamedTuple):
    """An array for a file: the format's name of its type, the number of bytes of an element, its shape, and the array
    or an object with the same bytes row by row."""

    kind: str
    itemsize: int
    shape: Sequence[int]
    content: NDArray[Any]


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file, array by array and atomically."""
    write_entries(path, array_entries(arrays), metadata)


def array_entries(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Entry]:
    return {
        name: Entry(_KINDS[array.dtype.newbyteorder("<")], array.itemsize, array.shape, array)
        for name, array in arrays.items()
    }


def write_entries(path: Path, entries: Mapping[str, Entry], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file of entries, one after the other and atomically."""
    names = sorted(entries, key=lambda name: (-entries[name].itemsize, name))  # so that every array is aligned
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name in names:
        kind, _, shape, content = entries[name]
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, at + content.nbytes]}
        at += content.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with writing_atomic(path) as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for name in names:
            stream.writelines(_pieces(entries[name].content))


def _pieces(array: NDArray[Any]) -> Iterable[memoryview]:
    if not array.size:
        return
    if array.ndim < 2:
        array = array.reshape(-1, 1)
    rows = max(1, _BYTES_AT_ONCE * len(array) // array.nbytes)
    for first in range(0, len(array), rows):
        yield np.ascontiguousarray(array[first : first + rows]).data.cast("B")


def map_arrays(path: Path, names: Container[str] | None = None, changeable: bool = False) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file, or those whose names are in `names`, memory-mapped. Changes of `changeable`
    arrays stay in this process."""
    access = mmap.ACCESS_COPY if changeable else mmap.ACCESS_READ
    with reading(path), path.open("rb") as stream:
        try:
            content = mmap.mmap(stream.fileno(), 0, access=access)
            (length,) = struct.unpack("<Q", content[:8])
            header = json.loads(content[8 : 8 + length])
            header.pop("__metadata__", None)
            arrays = {}
            for name, entry in header.items():
                if names is not None and name not in names:
                    continue
                start, stop = entry["data_offsets"]
                dtype: np.dtype[Any] = _DTYPES[entry["dtype"]]
                size = (stop - start) // dtype.itemsize
                arrays[name] = np.frombuffer(content, dtype, size, 8 + length + start).reshape(entry["shape"])
            return arrays
        except (ValueError, KeyError, TypeError, struct.error) as error:
            raise SeqloomError("the saved tensors could not be read", where=str(path), got=repr(error)) from None


def copy_into(target: NDArray[Any], source: NDArray[Any]) -> None:
    """Copies a flat array into another. A memory-mapped array is copied in parts, so that little of it is in memory."""
    numbers = _BYTES_AT_ONCE // source.itemsize
    for first in range(0, len(source), numbers):
        target[first : first + numbers] = source[first : first + numbers]
        give_back_pages(source)
