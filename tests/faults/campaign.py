"""What a campaign of faults counts: inputs, kills, tracebacks, hangs, memory; a failure keeps its input."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from seqloom.errors import SeqloomError
from seqloom.memory import peak_memory_bytes

HANG_SECONDS = 10
SECONDS = float(os.environ.get("SEQLOOM_FAULT_SECONDS", "60"))
SEED = int(os.environ.get("SEQLOOM_FAULT_SEED") or time.time_ns() % 10**9)


class Hang(BaseException):
    """An input took longer than `HANG_SECONDS`."""


class Campaign:
    """The counts of all tests, and the first failure of each place in the code."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: dict[str, str] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="seqloom-faults-"))

    def random(self, name: str) -> random.Random:
        """Draws of a test's own; `SEQLOOM_FAULT_SEED` repeats them."""
        return random.Random(f"{SEED} {name}")

    def attempt(self, name: str, content: bytes, work: Callable[[], object]) -> None:
        """Does the work on an input. A `SeqloomError` is what is wanted of a bad one."""
        self.counts["inputs"] += 1
        try:
            with _alarm():
                work()
        except SeqloomError:
            self.counts["refused"] += 1
        except Hang:
            self.fail("hangs", f"{name}: more than {HANG_SECONDS} s", content)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{name}: {type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {error}"
            self.fail("tracebacks", place[:300], content)

    def fail(self, kind: str, what: str, content: bytes) -> None:
        self.counts[kind] += 1
        if what not in self.failures and len(self.failures) < 50:
            path = self.folder / f"input-{len(self.failures)}"
            path.write_bytes(content)
            self.failures[what] = str(path)

    def check(self, before: int) -> None:
        """Fails where more failures than `before` are known."""
        found = list(self.failures.items())[before:]
        assert not found, "\n".join(f"{what}\n  input: {path}; SEQLOOM_FAULT_SEED={SEED}" for what, path in found)

    def summary(self) -> str:
        names = ("inputs", "refused", "kills", "full disks", "tracebacks", "hangs", "crashes")
        counted = ", ".join(f"{self.counts[name]:,} {name}" for name in names)
        return f"{counted}; peak memory {peak_memory_bytes() / 1e6:,.0f} MB; SEQLOOM_FAULT_SEED={SEED}"


campaign = Campaign()


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(HANG_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def rounds(share: float) -> Iterator[int]:
    """Numbers from 0 on, for this share of the campaign's time, and 20 at least."""
    until, number = time.monotonic() + share * SECONDS, 0
    while number < 20 or time.monotonic() < until:
        yield number
        number += 1


def in_child(work: Callable[[], int], seconds: float = 60, kill_after: float | None = None) -> int:
    """The exit status of a process of its own that does the work, or minus the signal that ended it. It may be killed
    after some seconds."""
    assert "polars" not in sys.modules, "its threads do not survive a fork; run each file of tests/faults on its own"
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        status = 70
        try:
            os.setsid()
            status = work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    until = time.monotonic() + (seconds if kill_after is None else kill_after)
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
