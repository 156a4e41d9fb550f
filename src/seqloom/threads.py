"""Compiled loops over ranges on several threads: the kernels run without the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

R = TypeVar("R")
T = TypeVar("T")

_PIECES_PER_THREAD = 8
"""More pieces than threads: some ranges hold more work than others."""

_asked_for = 0


def set_num_threads(number: int) -> None:
    """That compiled loops run on in this process; 0 is the default. Torch has a number of its own: see `Runtime`."""
    global _asked_for
    _asked_for = number


def num_threads() -> int:
    """What was set, else what `OMP_NUM_THREADS` says, as it does for torch, else a thread for every processor that
    this process may use."""
    if _asked_for:
        return _asked_for
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdecimal() and int(told):
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(work: Callable[[T], R], pieces: Iterable[T]) -> list[R]:
    """Does the work of every piece, on all threads; what came of it, in order."""
    threads = num_threads()
    if threads == 1:
        return [work(piece) for piece in pieces]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, pieces))


def over_ranges(size: int, work: Callable[[int, int], R], least: int = 1 << 14) -> list[R]:
    """`work(first, last)` over ranges that cover 0 to `size`; of less than `least` it is one, on this thread."""
    threads = num_threads()
    if threads == 1 or size < least:
        return [work(0, size)]
    step = -(-size // (threads * _PIECES_PER_THREAD))
    return run_all(lambda first: work(first, min(first + step, size)), range(0, size, step))
