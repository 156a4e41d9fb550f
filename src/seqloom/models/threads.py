"""Compiled loops over ranges on several threads: the kernels run without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")

_PIECES_PER_THREAD = 8
"""More pieces than threads: some ranges hold more work than others."""
_WORTH_A_THREAD = 1 << 14


def run_all(work: Callable[[T], None], pieces: Iterable[T]) -> None:
    """Does the work of every piece, on as many threads as torch uses."""
    threads = torch.get_num_threads()
    if threads == 1:
        for piece in pieces:
            work(piece)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, pieces):
            pass


def over_ranges(size: int, work: Callable[[int, int], None]) -> None:
    """`work(first, last)` over ranges that cover 0 to `size`."""
    threads = torch.get_num_threads()
    if threads == 1 or size < _WORTH_A_THREAD:
        work(0, size)
        return
    step = -(-size // (threads * _PIECES_PER_THREAD))
    run_all(lambda first: work(first, min(first + step, size)), range(0, size, step))
