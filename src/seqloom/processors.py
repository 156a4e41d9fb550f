"""The processors of this process: the number of threads, loops over several threads, and the share of processor
time."""

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
"""More pieces than threads, because some ranges hold more work than others."""

_set_threads = 0


def set_num_threads(number: int) -> None:
    """Sets the number of threads of compiled loops in this process; 0 restores the default. Torch has its own number of
    threads: see `Runtime`."""
    global _set_threads
    _set_threads = number


def num_threads() -> int:
    """The number of threads of compiled loops: what was set, else `OMP_NUM_THREADS` (as for torch), else one thread for
    each processor that this process may use."""
    if _set_threads:
        return _set_threads
    variable = os.environ.get("OMP_NUM_THREADS", "")
    if variable.isdecimal() and int(variable):
        return int(variable)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(work: Callable[[T], R], pieces: Iterable[T]) -> list[R]:
    """`work` of every piece, on all threads; the results in the order of the pieces."""
    threads = num_threads()
    if threads == 1:
        return [work(piece) for piece in pieces]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, pieces))


def over_ranges(size: int, work: Callable[[int, int], R], least: int = 1 << 14) -> list[R]:
    """The results of `work(first, last)` over ranges that cover 0 to `size`. A size below `least` is one range, on this
    thread."""
    threads = num_threads()
    if threads == 1 or size < least:
        return [work(0, size)]
    step = -(-size // (threads * _PIECES_PER_THREAD))
    return run_all(lambda first: work(first, min(first + step, size)), range(0, size, step))


class ProcessorShare:
    """The share of processor time that this process received of what it could have used; it is below 1 on a busy
    machine. Measured from the creation of the object.

    On Linux the share is running / (running + waiting for a processor), over all threads, so that a program that cannot
    use more processors does not look like one that had to wait. Elsewhere it is processor time / (wall time * threads).
    """

    def __init__(self) -> None:
        self._wall, self._running, self._waiting = time.monotonic(), time.process_time(), _waiting_seconds()

    @property
    def seconds(self) -> float:
        """The processor time of all threads."""
        return time.process_time() - self._running

    def share(self, threads: int) -> float:
        """The share, between 0 and 1."""
        waiting = _waiting_seconds()
        if waiting is None or self._waiting is None:
            wall = max(time.monotonic() - self._wall, 1e-9)
            return min(self.seconds / (wall * max(threads, 1)), 1.0)
        waited = max(waiting - self._waiting, 0.0)
        return self.seconds / max(self.seconds + waited, 1e-9)


def _waiting_seconds() -> float | None:
    """The time that the threads of this process spent waiting in the run queue; None if the system does not tell."""
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
