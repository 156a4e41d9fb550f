"""Sentence vectors: pools the outputs of a network into one vector for each sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.batching import group_by_length, padded_source
from seqloom_portable.engine import Arrays, Engine
from seqloom_portable.errors import PortableError
from seqloom_portable.specials import EOS, PAD, SOS, SPECIALS

_ELEMENTS_AT_ONCE = 8_000

Real = NDArray[np.bool_]


def _sum(vectors: NDArray[Any], real: Real) -> NDArray[Any]:
    return np.where(real[:, :, None], vectors, 0.0).sum(1)


def _mean(vectors: NDArray[Any], real: Real) -> NDArray[Any]:
    return _sum(vectors, real) / np.maximum(real.sum(1, keepdims=True), 1)


def _max(vectors: NDArray[Any], real: Real) -> NDArray[Any]:
    largest = np.where(real[:, :, None], vectors, -np.inf).max(1)
    return np.where(real.any(1, keepdims=True), largest, 0.0)


POOLINGS: Mapping[str, Callable[[Arrays, Real], NDArray[Any]]] = {
    "word-mean": lambda reading, real: _mean(reading["elements"], real),
    "word-sum": lambda reading, real: _sum(reading["elements"], real),
    "last": lambda reading, real: reading["summary"],  # noqa: ARG005
    "mean": lambda reading, real: _mean(reading["outputs"], real),
    "max": lambda reading, real: _max(reading["outputs"], real),
    "decisive": lambda reading, real: reading["decisive"],  # noqa: ARG005
}
"""`word-mean` and `word-sum` pool the embeddings of the elements; `mean` and `max` pool the outputs; `last` is the
layer's summary of the sequence, and `decisive` the vector that a classifier uses."""


def check_pooling(pooling: str) -> str:
    if pooling not in POOLINGS:
        raise PortableError(f"there is no pooling named {pooling!r}; expected auto or one of {', '.join(POOLINGS)}")
    return pooling


def sentence_vectors(engine: Engine, rows: Sequence[Any], pooling: str) -> NDArray[np.float32]:
    """(rows, size): the vector of each row of token ids or frames; zeros if the row is empty or all its tokens are
    unknown or special."""
    check_pooling(pooling)

    def read(places: list[int]) -> tuple[Arrays, Real]:
        source, lengths = padded_source([_not_empty(rows[place]) for place in places])
        reading, _ = engine(source=source, lengths=lengths)
        real = np.arange(source.shape[1]) < lengths[:, None]
        if source.ndim == 2:
            real &= (source != SOS) & (source != EOS)
        return reading, real

    return vectors_in_batches(read, [len(row) for row in rows], [_is_known(row) for row in rows], pooling)


def vectors_in_batches(
    read: Callable[[list[int]], tuple[Arrays, Real]], lengths: Sequence[int], known: Sequence[bool], pooling: str
) -> NDArray[np.float32]:
    """(sequences, size): as `sentence_vectors`, for a model whose input is more than rows. `read` runs the network on
    the sequences at some positions and returns its outputs and a mask of the real elements; `known[i]` is False where
    sequence i gets zeros."""
    vectors: dict[int, NDArray[np.float32]] = {}
    for places in group_by_length(lengths, _ELEMENTS_AT_ONCE):
        for place, vector in zip(places, POOLINGS[pooling](*read(places)), strict=True):
            vectors[place] = np.asarray(vector if known[place] else np.zeros_like(vector), np.float32)
    return np.stack([vectors[place] for place in range(len(vectors))]) if vectors else np.zeros((0, 0), np.float32)


def _is_known(row: Any) -> bool:
    if isinstance(row, np.ndarray) and row.ndim == 2:
        return len(row) > 0
    return bool((np.asarray(row) >= len(SPECIALS)).any())


def _not_empty(row: Any) -> Any:
    """The row; an empty row becomes one element of padding, which any layer can read."""
    if len(row):
        return row
    return np.zeros((1, row.shape[1]), np.float32) if isinstance(row, np.ndarray) and row.ndim == 2 else [PAD]
