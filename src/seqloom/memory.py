"""The memory of this process: its peak, whether freed memory is kept or returned, and errors when there is too
little."""

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

from seqloom.control_groups import control_groups
from seqloom.errors import SeqloomError


def peak_memory_bytes() -> int:
    """The peak resident memory of this process."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count what the parent held when it started us
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class MemoryPeak:
    """In which part of the work this process had its peak memory: `part`."""

    def __init__(self) -> None:
        self.part, self._bytes = "start", peak_memory_bytes()

    def end(self, part: str) -> None:
        """Ends a part of the work. The peak was in it if the memory rose by more than a hundredth."""
        peak = peak_memory_bytes()
        if peak > 1.01 * self._bytes:
            self.part, self._bytes = part, peak


def keep_freed_memory() -> None:
    """Makes this process keep the memory that it frees, if the C library is glibc.

    Each training step of a network frees tens of megabytes and allocates them again in the next step. If they were
    returned in between, the kernel would clear every page again: up to a quarter of the time of a step (LOG.md).
    """
    _tune(_M_MMAP_THRESHOLD, 32 << 20)  # the largest value that every version accepts
    _tune(_M_TRIM_THRESHOLD, 2**31 - 1)


def return_freed_memory() -> None:
    """Returns all freed memory to the system, if the C library is glibc. It takes about a tenth of a second, most of it
    for pages that are allocated again. If a training never did this, its memory would grow with every new shape of a
    batch, because freed pieces seldom fit the next arrays (LOG.md)."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def return_memory_when_freed() -> None:
    """Makes this process return every array to the system when it is freed, if the C library is glibc, which otherwise
    keeps some of them for reuse. For work that makes large arrays once."""
    _tune(_M_MMAP_THRESHOLD, 1 << 17)


def _tune(parameter: int, value: int) -> None:
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(parameter, value)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def give_back_pages(array: NDArray[Any]) -> None:
    """Returns the pages of the memory-mapped file behind `array` to the system, whose file cache keeps them as long as
    nothing else needs the memory. Does nothing for other arrays, and on other systems than Linux."""
    base: object = array
    while isinstance(base, np.ndarray | memoryview):
        base = base.obj if isinstance(base, memoryview) else base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


@contextlib.contextmanager
def within_memory(sizes: Mapping[str, object]) -> Iterator[None]:
    """Turns a failed allocation into a SeqloomError that shows the `sizes`: settings by their dotted names."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in _MEMORY_REFUSED):
            raise
        raise SeqloomError(
            "there is not enough memory",
            got=", ".join(f"{name}={value}" for name, value in sizes.items()) or None,
            hint="smaller sizes need less",
        ) from None


def check_memory(wanted_bytes: int, sizes: Mapping[str, object]) -> None:
    """Raises SeqloomError if less memory than `wanted_bytes` is available; the error shows the `sizes` that need it.
    Does nothing where the system does not tell how much is available."""
    available = available_bytes()
    if available is not None and wanted_bytes > available:
        raise SeqloomError(
            "there is not enough memory",
            got=", ".join(f"{name}={value}" for name, value in sizes.items()),
            expected=f"what fits into {available / 1e9:.1f} GB; this takes about {wanted_bytes / 1e9:.1f}",
            hint="smaller sizes need less",
        )


def available_bytes(root: Path = Path("/")) -> int | None:
    """The memory available on the machine or, if that is less, in a control group of this process, such as that of a
    container; None where the system does not tell. `root`: see `control_groups`."""
    kilobytes = _field(root / "proc/meminfo", "MemAvailable:")
    limits = [None if kilobytes is None else kilobytes * 1024]
    limits += [_left_in(group) for group in control_groups("memory", root)]
    return min((limit for limit in limits if limit is not None), default=None)


def _left_in(group: Path) -> int | None:
    """The bytes below the limit of one control group; None without a limit. The system takes pages of files that were
    not read lately back when memory is needed, so they do not count as used."""
    for limit, used, pages in _MEMORY_FILES:
        with contextlib.suppress(OSError, ValueError):  # the other version; `max`: no limit
            most, now = (int((group / name).read_text(encoding="ascii")) for name in (limit, used))
            return max(most - now + (_field(group / "memory.stat", pages) or 0), 0)
    return None


_MEMORY_FILES = (
    ("memory.max", "memory.current", "inactive_file"),  # version 2
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""The files of a control group with its limit and with what it uses, and the field of `memory.stat` with the pages of
files that were not read lately."""


def _field(file: Path, name: str) -> int | None:
    """The number in the line of a file that begins with a name (`MemAvailable: 512 kB`); None if no line does."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = (line.split() for line in file.read_text(encoding="ascii").splitlines())
        return int(next(fields[1] for fields in lines if fields[:1] == [name]))
    return None


_MEMORY_REFUSED = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "Storage size calculation overflowed",
)
"""Parts of the messages of torch's errors."""
