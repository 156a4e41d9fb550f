"""Sentence vectors of many sequences, computed in batches of similar length, for any model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from seqloom.data.tokenizer import PAD, SPECIALS
from seqloom.decoding.batching import Source, padded_source
from seqloom.models.encoded_sequence import EncodedSequence, Reads
from seqloom.models.sentence_vectors import pooled
from seqloom_portable.batching import group_by_length

_ELEMENTS_AT_ONCE = 8_000
"""The number of elements in a batch, padding included."""

_WINDOW = 4_096
"""The number of sequences that are sorted by length at a time: enough for full batches, with little delay."""


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
    numbers = iter(range(len(lengths)))
    while window := list(itertools.islice(numbers, _WINDOW)):
        by_place: dict[int, NDArray[np.float32]] = {}
        for group in group_by_length([lengths[number] for number in window], _ELEMENTS_AT_ONCE):
            places = [window[place] for place in group]
            for place, vector in zip(places, _vectors(read, places, pooling), strict=True):
                by_place[place] = vector if known[place] else np.zeros_like(vector)
        yield from (by_place[number] for number in window)


@torch.inference_mode()
def _vectors(read: Callable[[list[int]], EncodedSequence], places: list[int], pooling: str) -> NDArray[np.float32]:
    return pooled(read(places), pooling).float().cpu().numpy()


def _is_known(row: Source) -> bool:
    """Whether a row has a known element."""
    frames = isinstance(row, np.ndarray) and row.ndim == 2
    return len(row) > 0 if frames else bool((np.asarray(row) >= len(SPECIALS)).any())


def _not_empty(row: Source) -> Source:
    """The row; an empty row becomes one element of padding, which any layer can read."""
    if len(row):
        return row
    return np.zeros((1, row.shape[1]), np.float32) if isinstance(row, np.ndarray) and row.ndim == 2 else [PAD]
