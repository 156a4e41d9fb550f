"""Several trainings at a time, on this machine and on a Dask cluster, whose killed worker's training is done again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.texts import write_text
from tests.support.training_here import train_here

from seqloom.comparison import trainings
from seqloom.comparison.comparison import compare
from seqloom.comparison.report_content import Comparison
from seqloom.errors import RequestError

pytest.importorskip("joblib")
pytest.importorskip("distributed")


def small(text: str, out: Path, **changed: Any) -> Comparison:
    requested: dict[str, Any] = {"models": ["ngram:order=2", "ngram"], "updates": 1, "seeds": 2, "threads": 1}
    return compare("language-model", text, out=out, quiet=True, **{**requested, **changed})


def results(comparison: Comparison) -> list[Any]:
    """What does not depend on the clock."""
    rows = [(row.model, row.scores, row.score, row.parameters) for row in comparison.rows]
    return [rows, comparison.report["verdict"], comparison.report["pairs"], comparison.report["worst_examples"]]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler, and two worker processes."""
    port_file = tmp_path / "scheduler.json"
    python = [sys.executable, "-W", "ignore", "-m", "distributed.cli.dask_scheduler"]
    log: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    options = ["--port", "0", "--no-dashboard", "--host", "127.0.0.1", "--scheduler-file", str(port_file)]
    processes = [subprocess.Popen([*python, *options], **log)]
    worker = [sys.executable, "-W", "ignore", "-m", "distributed.cli.dask_worker", "--scheduler-file", str(port_file)]
    worker += ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path / "workers")]
    processes += [subprocess.Popen(worker, **log) for _ in range(2)]
    try:
        deadline = time.monotonic() + 60
        while not port_file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        yield json.loads(port_file.read_text())["address"], processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.slow  # whether the worker is killed while it trains depends on the machine
def test_a_cluster_repeats_the_training_of_a_killed_worker(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    """The report is that of one job on this machine, and says where the trainings ran."""
    address, workers = cluster
    text = write_text(tmp_path / "text.txt", lines=80)
    killed = threading.Event()

    def kill_when_it_trains() -> None:
        children = Path(f"/proc/{workers[0].pid}/task")
        while not killed.is_set() and workers[0].poll() is None:
            lists = list(children.glob("*/children"))
            if any(path.read_text().strip() for path in lists if path.exists()):
                os.kill(workers[0].pid, signal.SIGKILL)
                killed.set()
            time.sleep(0.05)

    watch = threading.Thread(target=kill_when_it_trains)
    watch.start()
    try:
        remote = small(text, tmp_path / "remote", cluster=address)
    finally:
        was_killed = killed.is_set()
        killed.set()
        watch.join()
    assert was_killed
    assert set(remote.report["machines"].values()) == {os.uname().nodename}
    runs = tmp_path / "remote" / "runs"
    assert not [path for path in runs.iterdir() if path.name.startswith(".")]
    assert f'data = "{text}"' in (runs / "ngram-seed1" / "config.toml").read_text()
    assert results(remote) == results(small(text, tmp_path / "local"))


def test_a_finished_comparison_needs_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = write_text(tmp_path / "text.txt", lines=80)
    monkeypatch.setattr(trainings, "run_training", train_here)
    finished = small(text, tmp_path / "compared", models=["ngram"])
    again = small(text, tmp_path / "compared", models=["ngram"], cluster="tcp://127.0.0.1:1")
    assert results(again) == results(finished)


def test_several_jobs_give_the_report_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the comparison was interrupted after the first training."""
    text = write_text(tmp_path / "text.txt", lines=80)
    parallel = small(text, tmp_path / "compared", jobs=2)
    for name in ("runs/ngram-seed1/summary.json", "worst_examples.json", "report.json"):
        (tmp_path / "compared" / name).unlink()
    monkeypatch.setattr(trainings, "run_training", train_here)
    assert results(small(text, tmp_path / "compared")) == results(parallel)


def test_impossible_jobs_are_refused(tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt", lines=80)
    with pytest.raises(RequestError, match="needs a job"):
        small(text, tmp_path / "compared", jobs=0)
    assert not (tmp_path / "compared").exists()
