"""Runs that commit e000dc5 wrote, before training had one loop, load, score and resume as they did."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import seqloom
from tests.run.make_old_runs import RUNS, STOPPED

OLD_RUNS = Path(__file__).parent / "old_runs"
EXPECTED: dict[str, dict[str, Any]] = json.loads((OLD_RUNS / "expected.json").read_text())


@pytest.fixture
def old_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to work in: the runs name their data, and a mixture its parts, relative to it."""
    shutil.copytree(OLD_RUNS, tmp_path / "old_runs")
    monkeypatch.chdir(tmp_path / "old_runs")
    return tmp_path / "old_runs"


@pytest.mark.parametrize("name", RUNS)
def test_an_old_run_scores_what_it_did(name: str, old_runs: Path) -> None:
    task, data, _, _ = RUNS[name]
    run = seqloom.load(old_runs / name)
    scores = run.evaluate("copy:bits=3,length=2" if task == "algorithm" else data)
    score = run.summary["score"]
    numbers = {metric: value for metric, value in EXPECTED[name].items() if not isinstance(value, str)}
    shared = numbers.keys() & scores.keys()
    assert score in shared
    assert {metric: scores[metric] for metric in shared} == {
        metric: pytest.approx(numbers[metric], rel=1e-4) for metric in shared
    }


@pytest.mark.parametrize("name", STOPPED)
def test_an_old_training_goes_on(name: str, old_runs: Path) -> None:
    task, data, model, settings = RUNS[name]
    assert not seqloom.load(old_runs / name).summary["finished"]
    budget: dict[str, Any] = {"epochs": 3} if task == "vectors" else {"updates": 6}
    options = {"model": model, "out": name, "settings": settings, "threads": 1, "quiet": True}
    run = seqloom.train(task, data, resume=True, **options, **budget)
    assert run.summary["finished"]
    updates = [json.loads(line)["updates"] for line in (old_runs / name / "metrics.jsonl").read_text().splitlines()]
    assert updates == sorted(set(updates))
    assert run.summary["updates"] == updates[-1]
