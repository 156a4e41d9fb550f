"""Sorted runs of windows on disk, merged into one, with one block of each in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled
from seqloom.files import writing

Rows = tuple[NDArray[np.uint32], NDArray[np.int64]]
"""Distinct windows (rows, order) in sorted order, and the count of each."""

_ROWS_AT_ONCE = 1 << 16


def write_run(blocks: Iterable[Rows], path: Path, order: int) -> Path:
    """Writes a run: for each row its words, then its count as two numbers."""
    with writing(path), path.open("wb") as stream:
        for rows, counts in blocks:
            block = np.empty((len(rows), order + 2), np.uint32)
            block[:, :order] = rows
            block[:, order:] = counts[:, None].view(np.uint32)
            stream.write(block.tobytes())
    return path


def merged(runs: list[Path], order: int) -> Iterator[Rows]:
    """The distinct windows of all runs in sorted order, with their counts summed."""
    maps = [np.memmap(path, np.uint32, mode="r").reshape(-1, order + 2) for path in runs]
    at = [0] * len(maps)
    while True:
        blocks = [run[start : start + _ROWS_AT_ONCE] for run, start in zip(maps, at, strict=True)]
        alive = [i for i, block in enumerate(blocks) if len(block)]
        if not alive:
            return
        # No later block holds a row that is less than the smallest of the last rows.
        unfinished = [i for i in alive if at[i] + len(blocks[i]) < len(maps[i])]
        parts = []
        bound = min((tuple(blocks[i][-1, :order].tolist()) for i in unfinished), default=None)
        for i in alive:
            num_rows = len(blocks[i]) if bound is None else int(_rows_up_to(blocks[i], np.array(bound, np.uint32)))
            parts.append(np.asarray(blocks[i][:num_rows]))
            at[i] += num_rows
        yield _summed(np.concatenate(parts), order)


def _summed(rows: NDArray[np.uint32], order: int) -> Rows:
    ranked = rows[np.lexsort(rows[:, order - 1 :: -1].T)] if order > 1 else rows[np.argsort(rows[:, 0])]
    counts = np.ascontiguousarray(ranked[:, order:]).view(np.int64)[:, 0]
    is_new = np.ones(len(ranked), bool)
    is_new[1:] = (ranked[1:, :order] != ranked[:-1, :order]).any(1)
    starts = np.flatnonzero(is_new)
    return np.ascontiguousarray(ranked[starts, :order]), np.add.reduceat(counts, starts)


@compiled
def _rows_up_to(rows: Array, bound: Array) -> Any:
    """The number of sorted rows that are not greater than `bound`."""
    low, high = 0, rows.shape[0]
    while low < high:
        middle = (low + high) >> 1
        after = False
        for k in range(bound.shape[0]):
            if rows[middle, k] != bound[k]:
                after = rows[middle, k] > bound[k]
                break
        if after:
            high = middle
        else:
            low = middle + 1
    return low
