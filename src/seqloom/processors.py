"""The processors of this process: the number of threads, loops over several threads, and the share that it got."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
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


class ProcessorShare:
    """How much of the processors this process got of what it asked for, which is less on a busy machine. The clock
    starts when the object is made.

    On Linux the share is running / (running + waiting for a processor), over all threads, so that a program that could
    not use more processors is not taken for one that was kept from them. Elsewhere it is processor time by wall time
    and threads.
    """

    def __init__(self) -> None:
        self._wall, self._running, self._waiting = time.monotonic(), time.process_time(), _waiting_seconds()

    @property
    def seconds(self) -> float:
        """Processor time of all threads."""
        return time.process_time() - self._running

    def share(self, threads: int) -> float:
        """Between 0 and 1."""
        waiting = _waiting_seconds()
        if waiting is None or self._waiting is None:
            wall = max(time.monotonic() - self._wall, 1e-9)
            return min(self.seconds / (wall * max(threads, 1)), 1.0)
        waited = max(waiting - self._waiting, 0.0)
        return self.seconds / max(self.seconds + waited, 1e-9)


def _waiting_seconds() -> float | None:
    """That this process's threads stood in the run queue; None where the system does not tell."""
    total, folder = 0, Path(f"/proc/{os.getpid()}/task")
    try:
        for thread in folder.iterdir():
            try:
                total += int((thread / "schedstat").read_text().split()[1])
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                continue
    except (OSError, IndexError, ValueError):
        return None
    return total / 1e9
