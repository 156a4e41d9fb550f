"""Work on inputs in child processes: what crashes, hangs or takes too much memory ends one of them only."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import resource
import select
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGKILL

import torch  # noqa: F401  loaded once instead of by every child

from seqloom.errors import SeqloomError
from seqloom.memory import peak_memory_bytes
from tests.faults.campaign import BUSY, HANG_SECONDS, MOST_MEMORY, Hang, alarm, campaign, place_of

_INPUTS_OF_A_CHILD = 80
_MOST_DATA = 3 << 30
"""Bytes beside what the child begins with. Beyond, it gets a MemoryError, and the machine stays usable."""

Answer = tuple[str, str]
"""What the campaign counts (nothing, `refused`, or a kind of failure), and what happened."""


def in_child(work: Callable[[], int], seconds: float = 300, kill_after: float | None = None) -> int:
    """The exit status of a process of its own that does the work, or minus the signal that ended it. It is killed
    after `seconds`, and after `kill_after` seconds if that is given."""
    child = _start(work)
    until = time.monotonic() + (seconds if kill_after is None else kill_after)
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return _kill(child)


def try_inputs(
    name: str,
    numbers: Iterator[int],
    content: Callable[[int], bytes],
    work: Callable[[int], Answer],
    prepare: Callable[[], object] = lambda: None,
) -> None:
    """Lets children do the work on the inputs with these numbers, and counts what came of it. A failure keeps the
    content of its input. `prepare` is done first in each child, so that what libraries take when they are first used is
    not taken for the memory of an input."""
    while batch := deque(itertools.islice(numbers, _INPUTS_OF_A_CHILD)):
        while batch:
            for kind, what in _answers_of_child(batch, work, prepare):
                number = batch.popleft()
                campaign.counts["inputs"] += 1
                if kind == "refused":
                    campaign.counts["refused"] += 1
                elif kind:
                    campaign.fail(kind, f"{name}: {what}", number, content(number))


def _answers_of_child(
    numbers: deque[int], work: Callable[[int], Answer], prepare: Callable[[], object]
) -> Iterator[Answer]:
    """The answers to the first of the numbers, up to the one that ends the child."""
    reading, writing = os.pipe()
    wanted = list(numbers)

    def do_all() -> int:
        prepare()
        os.write(writing, b"ready\n")
        resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + _MOST_DATA,) * 2)
        for number in wanted:
            os.write(writing, json.dumps(work(number)).encode() + b"\n")
        return 0

    child = _start(do_all)
    os.close(writing)
    with open(reading, "rb") as stream:  # noqa: PTH123
        assert stream.readline(), "the process ended before the first input"
        for _ in wanted:
            seconds = (BUSY + 2) * HANG_SECONDS
            if not select.select([stream], [], [], seconds)[0]:
                _kill(child)
                yield "hangs", f"no answer in {seconds} s, and none to a signal"
                return
            line = stream.readline()
            if not line:
                break
            yield tuple(json.loads(line))
        else:
            os.waitpid(child, 0)
            return
    _, status = os.waitpid(child, 0)
    yield "crashes", f"the process ended with {os.waitstatus_to_exitcode(status)}"


def answer_to(work: Callable[[], int], size: int) -> Answer:
    """What comes of the work on an input of `size` bytes; its result is an exit status."""
    before = _restart_peak()
    try:
        with alarm(HANG_SECONDS):
            status = work()
    except SeqloomError:
        return "refused", ""
    except Hang:
        return "hangs", f"more than {HANG_SECONDS} s"
    except Exception as error:
        return "tracebacks", place_of(error)
    taken = peak_memory_bytes() - before
    if taken > MOST_MEMORY + 10 * size:
        return "too much memory", f"{taken >> 20} MiB"
    if status in (1, 2):
        return "refused", ""
    return ("", "") if status in (0, 130) else ("tracebacks", f"exit status {status}")


def _restart_peak() -> int:
    """Bytes that this process holds, from which its peak is measured anew."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak_memory_bytes()


def _data_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmData:")).split()[1]) * 1024


def _start(work: Callable[[], int]) -> int:
    """The number of a new process that does the work and ends with its status; 70 after an exception."""
    assert "polars" not in sys.modules, "its threads do not survive a fork; run each file of tests/faults on its own"
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        os.setsid()
        status = work()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _kill(child: int) -> int:
    os.kill(child, SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
