"""Compiled loops over ranges on several threads: the kernels run without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

R = TypeVar("R")
T = TypeVar("T")

_PIECES_PER_THREAD = 8
"""More pieces than threads: some ranges hold more work than others."""


def run_all(work: Callable[[T], R], pieces: Iterable[T]) -> list[R]:
    """Does the work of every piece, on as many threads as torch uses; what came of it, in order."""
    threads = torch.get_num_threads()
    if threads == 1:
        return [work(piece) for piece in pieces]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, pieces))


def over_ranges(size: int, work: Callable[[int, int], R], least: int = 1 << 14) -> list[R]:
    """`work(first, last)` over ranges that cover 0 to `size`; of less than `least` it is one, on this thread."""
    threads = torch.get_num_threads()
    if threads == 1 or size < least:
        return [work(0, size)]
    step = -(-size // (threads * _PIECES_PER_THREAD))
    return run_all(lambda first: work(first, min(first + step, size)), range(0, size, step))
