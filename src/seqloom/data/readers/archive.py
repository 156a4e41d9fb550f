"""NumPy archives (`.npz`) of vectors, or of sequences of vectors, with something for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.data.example import Frames
from seqloom.errors import SeqloomError
from seqloom.files import NPZ_ERRORS, reading

Arrays = Mapping[str, NDArray[Any]]
_LARGEST = float(np.finfo(np.float32).max)


def read_archive(path: str) -> dict[str, NDArray[Any]]:
    with reading(path):
        try:
            with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except NPZ_ERRORS as error:
            raise SeqloomError(
                "the archive could not be read",
                where=path,
                got=str(error)[:200],
                expected="arrays written by numpy.savez",
            ) from None


def sequences(arrays: Arrays, path: str) -> Iterator[Frames]:
    """Yields the rows of `vectors`, (examples, channels) or (examples, steps, channels), each as (steps, channels);
    `lengths` are the steps of each. Raises SeqloomError if they do not fit, or for a number that is missing."""
    vectors = arrays.get("vectors")
    if vectors is None or vectors.ndim not in (2, 3) or vectors.dtype.kind not in "fiub":
        raise SeqloomError(
            "the archive has no vectors", where=path, got=", ".join(sorted(arrays)) or "nothing",
            expected="an array `vectors` of numbers, (examples, channels) or (examples, steps, channels)",
        )  # fmt: skip
    lengths = _lengths(arrays.get("lengths"), vectors, path)
    for number, vector in enumerate(vectors):
        frames = vector[None] if vector.ndim == 1 else vector[: lengths[number]]
        yield checked(frames, f"{path}, example {number + 1}")


def _lengths(lengths: NDArray[Any] | None, vectors: NDArray[Any], path: str) -> NDArray[np.int64]:
    if vectors.ndim == 2:
        return np.ones(len(vectors), np.int64)
    if lengths is None:
        return np.full(len(vectors), vectors.shape[1])
    fits = lengths.shape == (len(vectors),) and lengths.dtype.kind in "iu"
    if not fits or (len(lengths) and not 1 <= lengths.min() <= lengths.max() <= vectors.shape[1]):
        raise SeqloomError(
            "the lengths do not fit the vectors", where=path, got=f"{lengths.shape} of {lengths.dtype}",
            expected=f"a whole number for each example, 1 to {vectors.shape[1]}",
        )  # fmt: skip
    return lengths.astype(np.int64)


def checked(frames: NDArray[Any], where: str) -> Frames:
    """The numbers in single precision. Raises SeqloomError if one is missing or too large."""
    values = np.asarray(frames, np.float64)
    if values.size == 0 or not (np.abs(values) <= _LARGEST).all():
        raise SeqloomError("a vector has numbers that are missing or too large", where=where)
    return values.astype(np.float32)
