"""The memory of this process: how much it took, how freed memory is kept or given back, and what to say when there is
too little."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import resource
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import SeqloomError


def peak_memory_bytes() -> int:
    """The most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count what the parent held when it started us
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def keep_freed_memory() -> None:
    """Lets this process keep what it frees, where the C library is glibc.

    Each training step of a network frees tens of megabytes and takes them again at the next one. Given back in between,
    every page is cleared anew by the kernel: up to a quarter of the time of a step (LOG.md).
    """
    _tune(_M_MMAP_THRESHOLD, 32 << 20)  # the largest that every version takes
    _tune(_M_TRIM_THRESHOLD, 2**31 - 1)


def give_back_freed_memory() -> None:
    """Lets this process give back every array when it is freed, where the C library is glibc, which by itself keeps
    some as soon as it has seen that they come and go. For work that makes large arrays once."""
    _tune(_M_MMAP_THRESHOLD, 1 << 17)


def _tune(parameter: int, value: int) -> None:
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(parameter, value)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def give_back_pages(array: NDArray[Any]) -> None:
    """Gives the pages of a memory-mapped file through which `array` was read back to the system, whose cache of files
    keeps them as long as nobody needs the room. Of an array that is not mapped, and elsewhere than on Linux, it does
    nothing."""
    base: object = array
    while isinstance(base, np.ndarray | memoryview):
        base = base.obj if isinstance(base, memoryview) else base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


@contextlib.contextmanager
def within_memory(asked: Mapping[str, object]) -> Iterator[None]:
    """Turns a failure to find memory into an error that says what was `asked` for: settings by their dotted names."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in _MEMORY_REFUSED):
            raise
        raise SeqloomError(
            "there is not enough memory",
            got=", ".join(f"{name}={value}" for name, value in asked.items()) or None,
            hint="smaller sizes need less",
        ) from None


def check_memory(wanted_bytes: int, asked: Mapping[str, object]) -> None:
    """Raises SeqloomError where so much memory is not available, before it is taken; `asked` says what for. Where the
    system does not say what is available, it does nothing."""
    available = _available_bytes()
    if available is not None and wanted_bytes > available:
        raise SeqloomError(
            "there is not enough memory",
            got=", ".join(f"{name}={value}" for name, value in asked.items()),
            expected=f"what fits into {available / 1e9:.1f} GB; this takes about {wanted_bytes / 1e9:.1f}",
            hint="smaller sizes need less",
        )


def _available_bytes() -> int | None:
    """Of the machine, or of the container that this process runs in."""
    found = []
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found.append(int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024)
    with contextlib.suppress(OSError, ValueError):
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="ascii") for name in ("max", "current"))
        found.append(int(limit) - int(used))
    return min(found, default=None)


_MEMORY_REFUSED = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "Storage size calculation overflowed",
)
"""What torch's errors say of it."""
