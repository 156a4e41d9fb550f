"""The campaign notices what it looks for: errors, crashes, memory that is taken, hangs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import numpy as np
import pytest

from seqloom.errors import SeqloomError
from tests.faults import children
from tests.faults.campaign import Campaign
from tests.faults.children import Answer, answer_to, try_inputs


def fail() -> int:
    raise ValueError("no number")


def refuse() -> int:
    raise SeqloomError("broken")


def crash() -> int:
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def take_memory() -> int:
    return int(np.ones(600 << 20, np.uint8)[0]) - 1


def hang() -> int:
    while True:
        pass


def hang_deaf() -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM, signal.SIGPROF])
    return hang()


WORK = [fail, refuse, crash, lambda: 0, lambda: 130, lambda: 2, lambda: 3, hang, hang_deaf]


def try_all(work: list[Callable[[], int]], patch: pytest.MonkeyPatch) -> Campaign:
    counted = Campaign()
    patch.setattr(children, "campaign", counted)

    def answer(number: int) -> Answer:
        return answer_to(work[number], size=10)

    try_inputs("planted", iter(range(len(work))), lambda number: bytes([number]), answer)
    return counted


def test_what_goes_wrong_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "HANG_SECONDS", 1)
    counted = try_all(WORK, monkeypatch)
    assert counted.counts == {"inputs": len(WORK), "tracebacks": 2, "crashes": 1, "refused": 2, "hangs": 2}
    with pytest.raises(AssertionError, match=r"ValueError at test_children.py:.*no number"):
        counted.check(0)


def test_memory_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = try_all([take_memory], monkeypatch)
    assert counted.counts == {"inputs": 1, "too much memory": 1}
