"""The counts of a campaign of faults: inputs, kills, tracebacks, hangs, memory; the input of each failure is kept.

`SEQLOOM_FAULT_SECONDS` is how long a campaign takes. Its inputs depend on a seed, the name of the test and the number
of the input. Without `SEQLOOM_FAULT_SEED` the seed is new each time and the clock ends the campaign; with it, inputs
are counted, so that they are the same on every machine. `SEQLOOM_FAULT_INPUT` is the number of the only input to try.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from seqloom.errors import SeqloomError
from seqloom.memory import peak_memory_bytes

HANG_SECONDS = 10
"""Of the processor, which an input may take."""
BUSY = 6
MOST_MEMORY = 500 << 20
"""Bytes that an input may take, beside ten times its own size."""
SECONDS = float(os.environ.get("SEQLOOM_FAULT_SECONDS", "60"))
_SEED = os.environ.get("SEQLOOM_FAULT_SEED", "")
SEED = int(_SEED or time.time_ns() % 10**9)
IS_COUNTED = bool(_SEED)
_INPUT = os.environ.get("SEQLOOM_FAULT_INPUT", "")


class Hang(BaseException):
    """An input took longer than `HANG_SECONDS`."""


class Campaign:
    """The counts of all tests, and the first failure of each place in the code."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: dict[str, str] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="seqloom-faults-"))

    def attempt(self, name: str, number: int, content: bytes, work: Callable[[], object]) -> None:
        """Does the work on an input. A `SeqloomError` is the right answer to a bad one."""
        self.counts["inputs"] += 1
        try:
            with alarm(HANG_SECONDS):
                work()
        except SeqloomError:
            self.counts["refused"] += 1
        except Hang:
            self.fail("hangs", f"{name}: more than {HANG_SECONDS} s", number, content)
        except Exception as error:
            self.fail("tracebacks", f"{name}: {place_of(error)}", number, content)

    def fail(self, kind: str, what: str, number: int, content: bytes) -> None:
        """Counts a failure, and keeps the input of the first one in each place."""
        self.counts[kind] += 1
        what = what[:300]
        if what not in self.failures and len(self.failures) < 50:
            path = self.folder / f"input-{len(self.failures)}"
            path.write_bytes(content)
            repeat = f"SEQLOOM_FAULT_SEED={SEED} SEQLOOM_FAULT_INPUT={number}"
            self.failures[what] = f"input kept as {path}; repeat it with {repeat}"

    def check(self, before: int) -> None:
        """Fails if there are more failures than `before`."""
        new = list(self.failures.items())[before:]
        assert not new, "\n".join(f"{what}\n  {how}" for what, how in new)

    def summary(self) -> str:
        names = ("inputs", "refused", "kills", "full disks", "tracebacks", "hangs", "crashes", "too much memory")
        counts = ", ".join(f"{self.counts[name]:,} {name}" for name in names)
        return f"{counts}; peak memory {peak_memory_bytes() / 1e6:,.0f} MB; SEQLOOM_FAULT_SEED={SEED}"


campaign = Campaign()


def random_for(name: str, number: int = 0) -> random.Random:
    """The random numbers of one input: another input has others, whatever was tried before it."""
    return random.Random(f"{SEED} {name} {number}")


def place_of(error: BaseException) -> str:
    """Where an error was raised, and its text."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}: {error}"


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raises `Hang` in the block when it takes so many seconds of the processor, or `BUSY` times as many by the clock:
    other processes may keep this one waiting."""

    def ring(*_: object) -> None:
        raise Hang

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, seconds), (signal.SIGALRM, signal.ITIMER_REAL, BUSY * seconds))
    before = [signal.signal(number, ring) for number, _, _ in timers]
    for _, timer, limit in timers:
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def rounds(share: float, per_second: float, fewest: int = 20) -> Iterator[int]:
    """The numbers of the inputs to try in this share of the campaign, of which a usual machine does `per_second`."""
    if _INPUT:
        yield int(_INPUT)
    elif _SEED:
        yield from range(max(fewest, int(share * SECONDS * per_second)))
    else:
        until, number = time.monotonic() + share * SECONDS, 0
        while number < fewest or time.monotonic() < until:
            yield number
            number += 1
