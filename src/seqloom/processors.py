"""The processors of this process: the number of threads, loops over several threads, the share of processor time, and
how threads wait for each other."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

from seqloom.control_groups import control_groups
from seqloom.errors import warn

R = TypeVar("R")
T = TypeVar("T")

_PIECES_PER_THREAD = 8
"""More pieces than threads, because some ranges hold more work than others."""

_WINDOW_SECONDS = 1.0
_BUSY_SHARE, _QUIET_SHARE = 0.85, 0.95
"""With less of the processor time in a window, threads sleep; with more than the second, the machine is quiet."""
_QUIET_WINDOWS, _MOST_QUIET_WINDOWS = 4, 64
"""So many quiet windows in a row end the sleeping; twice as many after each relapse."""

_set_threads = 0


def set_num_threads(number: int) -> None:
    """Sets the number of threads of this process; 0 restores the default. `Runtime` gives torch the same number."""
    global _set_threads
    _set_threads = number


def num_threads() -> int:
    """The number of threads of this process: what was set, else `default_threads`."""
    return _set_threads or default_threads()


def default_threads(root: Path = Path("/")) -> int:
    """The number of threads where none was set: `OMP_NUM_THREADS` if there is such a variable, else the number of
    processors that this process may use.

    These are the processors of its affinity mask, and no more than its control groups allow, rounded down: a thread
    beyond their quota stops all threads for the rest of each period. `root`: see `control_groups`.
    """
    variable = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if variable.isdecimal() and int(variable):
        return int(variable)
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(int(min(processors, processor_quota(root))), 1)


def is_amd() -> bool:
    """Whether the processor is one of AMD's, as torch names it."""
    import torch

    return str(torch.cpu.get_capabilities().get("cpu_name", "")).startswith("AMD")


@cache
def processor_quota(root: Path = Path("/")) -> float:
    """How many processors' time the control groups of this process may use: the smallest quota of its own group and all
    groups above it; infinite if there is none. `root`: see `control_groups`."""
    return min((_quota(group) for group in control_groups("cpu", root)), default=math.inf)


def _quota(group: Path) -> float:
    """The processors that one control group may use; infinite without a limit."""
    with suppress(OSError, ValueError):  # version 2
        quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
        return math.inf if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError):  # version 1; -1: no limit
        microseconds = int((group / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period_microseconds = int((group / "cpu.cfs_period_us").read_text(encoding="ascii"))
        return microseconds / period_microseconds if microseconds > 0 else math.inf
    return math.inf


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


class WaitPolicy:
    """How the threads of OpenMP wait for each other: they spin while the machine is quiet, and sleep while other
    programs want the processors.

    A thread that spins holds the processor that the thread it waits for may need, and a training gets a fraction of
    its speed (pytorch#3146). Sleeping costs a fifth of it on a quiet machine, so neither is right for all times. GNU's
    OpenMP decides at each wait: it spins 300,000 times, but 100 times while more of its threads exist than processors
    (its manual, under GOMP_SPINCOUNT). So this adds threads that do nothing. The number of threads that compute stays
    the same, and with it every bit of the results.

    Does nothing for a single thread, with other libraries of OpenMP, outside Linux, and where OMP_WAIT_POLICY or
    GOMP_SPINCOUNT is set.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._adapts = (
            threads > 1 and _waiting_seconds() is not None and not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & {*os.environ}
        )
        self._quiet_windows, self._enough_quiet_windows = 0, _QUIET_WINDOWS
        self._end: threading.Event | None = None
        self._begin_window()

    @property
    def passive(self) -> bool:
        """Whether threads sleep while they wait."""
        return self._end is not None

    def adapt(self) -> None:
        """Looks at the share of processor time since the last look, and changes the policy. It looks once a second; all
        other calls cost nothing."""
        if not self._adapts or time.monotonic() - self._began < _WINDOW_SECONDS:
            return
        share = self._window.share(self._threads)
        self._begin_window()
        if not self.passive:
            if share < _BUSY_SHARE:
                self._sleep()
            return
        self._quiet_windows = self._quiet_windows + 1 if share > _QUIET_SHARE else 0
        if self._quiet_windows >= self._enough_quiet_windows:
            self.spin()
            self._enough_quiet_windows = min(2 * self._enough_quiet_windows, _MOST_QUIET_WINDOWS)

    def spin(self) -> None:
        """Ends the sleeping."""
        if self._end is not None:
            self._end.set()
        self._end, self._quiet_windows = None, 0

    def _begin_window(self) -> None:
        self._window, self._began = ProcessorShare(), time.monotonic()

    def _sleep(self) -> None:
        if not _uses_gnu_openmp():
            self._adapts = False
            return
        warn(
            "other programs use the processors; until they do not, the threads of this training sleep while they wait "
            "for each other"
        )
        self._end = end = threading.Event()
        # Each of these threads has a team of its own, which exists until the thread ends.
        processors = len(os.sched_getaffinity(0))
        for _ in range(max(-(-(processors + 1 - self._threads) // (self._threads - 1)), 1)):
            threading.Thread(target=_hold_team, args=(end,), daemon=True).start()


def _hold_team(end: threading.Event) -> None:
    import torch

    torch.zeros(1 << 20).add_(1)  # large enough for all threads
    end.wait()


def _uses_gnu_openmp() -> bool:
    return "libgomp" in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
