"""Batches of sequences of similar length, so that there is little padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.specials import PAD


def group_by_length(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Groups the positions of `lengths` by length. A group of several sequences has at most `budget` elements, padding
    included."""
    groups: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        # The lengths come in increasing order, so the newest is the longest of the group.
        if groups and (len(groups[-1]) + 1) * lengths[place] <= budget:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def padded(rows: Sequence[Sequence[int]], padding: int = PAD) -> NDArray[np.int64]:
    """(rows, longest): token ids, and `padding` after each row's end."""
    ids = np.full((len(rows), max(map(len, rows), default=0)), padding, np.int64)
    for target, row in zip(ids, rows, strict=True):
        target[: len(row)] = row
    return ids


def padded_source(rows: Sequence[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Rows of ids (rows, longest), or frames (rows, longest, size), and their lengths."""
    lengths = np.array([len(row) for row in rows], np.int64)
    first = rows[0]
    if not (isinstance(first, np.ndarray) and first.ndim == 2):
        return padded(rows), lengths
    frames = np.zeros((len(rows), lengths.max(), first.shape[1]), np.float32)
    for target, row in zip(frames, rows, strict=True):
        target[: len(row)] = row
    return frames, lengths
