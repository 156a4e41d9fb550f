"""Trainings that are killed at any moment and resumed: the same bits as one that was not, for every task."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from seqloom.tasks import tasks
from tests.faults.campaign import SECONDS, SEED, campaign, in_child
from tests.support.small_runs import rows
from tests.support.small_tasks import SMALL_TASKS

NAMES = list(tasks)
_KILLS_IN_A_TRAINING = 4


def bits(run: Path) -> dict[str, bytes]:
    """What a finished run holds, clocks left out."""
    files = {path.name: path.read_bytes() for path in run.glob("*.safetensors")}
    return files | {"metrics": repr(rows(run)).encode(), "config": (run / "config.toml").read_bytes()}


def test_every_task_is_here() -> None:
    assert set(NAMES) <= SMALL_TASKS.keys(), "add what is missing to tests/support/small_tasks.py"


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_training_goes_on_to_the_same_bits(name: str, tmp_path: Path) -> None:
    small, chance = SMALL_TASKS[name], campaign.random(f"kills {name}")
    data, out, cache = small.data(tmp_path), tmp_path / "run", tmp_path / "cache"

    def train(resume: bool, killed_after: float | None = None) -> int:
        def work() -> int:
            small.train(name, data, out, resume)
            return 0

        return in_child(work, kill_after=killed_after)

    assert train(resume=False) == 0
    shutil.rmtree(out)
    started = time.monotonic()
    assert train(resume=False) == 0
    took, expected = time.monotonic() - started, bits(out)
    until = time.monotonic() + 0.25 * SECONDS / len(NAMES)
    kills = 0
    while kills < 3 or time.monotonic() < until:
        shutil.rmtree(out, ignore_errors=True)
        if chance.random() < 0.3:
            shutil.rmtree(cache, ignore_errors=True)
        for _ in range(_KILLS_IN_A_TRAINING):
            status = train(resume=True, killed_after=chance.uniform(0, 1.1 * took))
            kills += status == -9
            assert status in (0, -9), f"SEQLOOM_FAULT_SEED={SEED}"
            if status == 0:
                break
        assert train(resume=True) == 0
        found = bits(out)
        assert [part for part in expected if found.get(part) != expected[part]] == [], f"seed {SEED}"
    campaign.counts["kills"] += kills
