"""Sentence vectors of many sequences, computed in batches of similar length, for any model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from seqloom.data.tokenizer import PAD, SPECIALS
from seqloom.decoding.batching import Source, padded_source, run_in_batches
from seqloom.models.encoded_sequence import EncodedSequence, Reads
from seqloom.models.sentence_vectors import pooled

_ELEMENTS_AT_ONCE = 8_000
"""The number of elements in a batch, padding included."""


def sentence_vectors(
    model: Reads, rows: Sequence[Source], pooling: str, device: torch.device | None = None
) -> Iterator[NDArray[np.float32]]:
    """Yields the vector of each row of token ids or frames, (size,), in the given order.

    An empty row, or one of unknown and special tokens only, gives zeros. `pooling` is a name in
    `models.sentence_vectors.poolings`; `device` is the model's, None is the CPU.
    """
    there = device or torch.device("cpu")

    def read(places: list[int]) -> EncodedSequence:
        elements, lengths = padded_source([_not_empty(rows[place]) for place in places])
        return model.reading(elements.to(there), lengths.to(there))

    return vectors_in_batches(read, [len(row) for row in rows], [_is_known(row) for row in rows], pooling)


def vectors_in_batches(
    read: Callable[[list[int]], EncodedSequence], lengths: Sequence[int], known: Sequence[bool], pooling: str
) -> Iterator[NDArray[np.float32]]:
    """Yields the vector of each sequence, (size,), in order, for models whose input is more than rows. `read` encodes
    the sequences at some positions; `known[i]` is False where sequence i gives zeros."""

    @torch.inference_mode()
    def vectors(places: list[int]) -> NDArray[np.float32]:
        is_known = np.array([known[place] for place in places])
        return np.where(is_known[:, None], pooled(read(places), pooling).float().cpu().numpy(), np.float32(0))

    return run_in_batches(range(len(lengths)), lengths.__getitem__, _ELEMENTS_AT_ONCE, vectors)


def _is_known(row: Source) -> bool:
    """Whether a row has a known element."""
    frames = isinstance(row, np.ndarray) and row.ndim == 2
    return len(row) > 0 if frames else bool((np.asarray(row) >= len(SPECIALS)).any())


def _not_empty(row: Source) -> Source:
    """The row; an empty row becomes one element of padding, which any layer can read."""
    if len(row):
        return row
    return np.zeros((1, row.shape[1]), np.float32) if isinstance(row, np.ndarray) and row.ndim == 2 else [PAD]
