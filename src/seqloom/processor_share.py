"""How much of the processors this process got of what it asked for, which is less on a busy machine."""

from __future__ import annotations

import os
import time
from pathlib import Path


class ProcessorShare:
    """A clock that starts when it is made.

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
