"""The campaign notices what it looks for: errors, crashes, memory that is taken, hangs."""

from __future__ import annotations

import os
import signal
import time

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
    return int(np.ones(100 << 20, np.int64)[0]) - 1


def hang() -> int:
    time.sleep(60)
    return 0


def hang_deaf() -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    return hang()


WORK = [fail, refuse, crash, take_memory, lambda: 0, lambda: 130, lambda: 2, lambda: 3, hang, hang_deaf]


def test_what_goes_wrong_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Campaign()
    monkeypatch.setattr(children, "campaign", counted)
    monkeypatch.setattr(children, "HANG_SECONDS", 3)

    def work(number: int) -> Answer:
        return answer_to(WORK[number], size=10)

    try_inputs("planted", iter(range(len(WORK))), lambda number: bytes([number]), work)
    expected = {"inputs": len(WORK), "tracebacks": 2, "crashes": 1, "too much memory": 1, "refused": 2, "hangs": 2}
    assert counted.counts == expected
    with pytest.raises(AssertionError, match=r"ValueError at test_children.py:.*no number"):
        counted.check(0)
