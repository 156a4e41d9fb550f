"""Trainings that are killed at any moment and resumed: the same bits as one that was not killed, for every task."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.campaign import IS_COUNTED, SEED, campaign, random_for, rounds
from tests.faults.children import in_child
from tests.faults.kinds import KINDS
from tests.support.small_runs import rows
from tests.support.small_tasks import SMALL_TASKS

_KILLS_OF_A_TRAINING = 4


def bits(run: Path) -> dict[str, bytes]:
    """What a finished run holds, without the clocks."""
    files = {path.name: path.read_bytes() for path in run.glob("*.safetensors")}
    return files | {"metrics": repr(rows(run)).encode(), "config": (run / "config.toml").read_bytes()}


def count_writes(die_at: int = 0) -> Callable[[], int]:
    """How many files this process has synced or renamed from now on. It kills itself at number `die_at`: before an odd
    one, after an even one."""
    count = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def call_or_die(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count == die_at and count % 2:
                os.kill(os.getpid(), signal.SIGKILL)
            result = call(*arguments, **named)
            if count == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call_or_die

    os.fsync, os.replace, os.rename = counted(os.fsync), counted(os.replace), counted(os.rename)
    return lambda: count


@pytest.mark.parametrize("name", KINDS)
def test_a_killed_training_resumes_to_the_same_bits(name: str, tmp_path: Path) -> None:
    """Killed at a random moment, or at a random write, which a seed repeats."""
    small, out, cache, writes = SMALL_TASKS[name], tmp_path / "run", tmp_path / "cache", tmp_path / "writes"
    data = small.data(tmp_path)

    def train(die_at: int = 0, kill_after: float | None = None) -> int:
        def work() -> int:
            count = count_writes(die_at)
            small.train(name, data, out, resume=True)
            writes.write_text(str(count()))
            return 0

        return in_child(work, kill_after=kill_after)

    assert train() == 0
    expected = bits(out)
    shutil.rmtree(out)
    started = time.monotonic()
    assert train() == 0
    seconds, most_writes = time.monotonic() - started, int(writes.read_text())
    assert bits(out) == expected
    for number in rounds(0.25 / len(KINDS), per_second=0.3, fewest=1):
        rng = random_for(f"kills {name}", number)
        shutil.rmtree(out, ignore_errors=True)
        if rng.random() < 0.3:
            shutil.rmtree(cache, ignore_errors=True)
        for _ in range(_KILLS_OF_A_TRAINING):
            if IS_COUNTED or rng.random() < 0.5:
                status = train(die_at=rng.randint(1, most_writes))
            else:
                status = train(kill_after=rng.uniform(0, 1.1 * seconds))
            campaign.counts["kills"] += status == -signal.SIGKILL
            assert status in (0, -signal.SIGKILL), f"SEQLOOM_FAULT_SEED={SEED}, number {number}"
            if status == 0:
                break
        assert train() == 0
        found = bits(out)
        different = [part for part in expected if found.get(part) != expected[part]]
        assert different == [], f"SEQLOOM_FAULT_SEED={SEED}, number {number}"
