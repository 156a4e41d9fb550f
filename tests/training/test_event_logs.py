"""`--log`: what TensorBoard and Weights & Biases are given is what `metrics.jsonl` holds, once."""

from __future__ import annotations

import importlib.util
import json
import re
import struct
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seqloom.errors import RequestError
from seqloom.training.event_logs import EVENT_LOGS, check_event_logs
from tests.support.small_runs import signal_after, train_small


def _events(folder: Path) -> list[tuple[str, int, float]]:
    """The scalars of the only event file in the folder, in order: name, step, value."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    (path,) = folder.glob("events.out.tfevents.*")
    content, place, scalars = path.read_bytes(), 0, []
    while place < len(content):  # a length of 8 bytes and its checksum, the event and its checksum
        (size,) = struct.unpack_from("<Q", content, place)
        event = event_pb2.Event.FromString(content[place + 12 : place + 12 + size])
        scalars += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
        place += size + 16
    return scalars


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_each_row_is_in_the_event_file(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    folder = tmp_path / "run"
    train_small(folder, updates=20, training__evaluations=5, log=["tensorboard"])
    rows, events = _rows(folder), _events(folder)
    assert len(rows) > 1
    for name, column in (
        ("valid/perplexity", "valid_perplexity"),
        ("train/loss", "train_loss"),
        ("train/epoch", "epoch"),
    ):
        logged = [(step, value) for tag, step, value in events if tag == name]
        assert [step for step, _ in logged] == [row["updates"] for row in rows]
        assert [value for _, value in logged] == pytest.approx([row[column] for row in rows], rel=1e-6)


def test_a_resumed_training_has_one_log_without_duplicates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboardX")
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        signal_after(patch, 12)
        train_small(folder, updates=20, training__evaluations=5, log=["tensorboard"])
    assert _rows(folder)
    train_small(folder, updates=20, training__evaluations=5, log=["tensorboard"], resume=True)
    steps = [step for tag, step, _ in _events(folder) if tag == "valid/perplexity"]
    assert steps == [row["updates"] for row in _rows(folder)] == sorted(set(steps))


def test_weights_and_biases_is_given_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package takes its calls as recorded here; it is large, and so replaced in this test."""
    calls: list[Any] = []

    def init(**options: Any) -> Any:
        calls.append(options)
        Path(options["dir"], "wandb", f"offline-run-1-{options['id']}").mkdir(parents=True)
        return SimpleNamespace(
            step=0, log=lambda row, step: calls.append((step, row)), finish=lambda: calls.append("end")
        )

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init, Settings=dict, __spec__=object()))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        signal_after(patch, 12)
        train_small(folder, updates=20, training__evaluations=5, log=["wandb"])
    first = list(calls)
    assert (first[0]["mode"], first[0]["config"]["model"], first[-1]) == ("offline", "lstm", "end")
    calls.clear()
    train_small(folder, updates=20, training__evaluations=5, log=["wandb"], resume=True)
    assert calls[0]["id"] == first[0]["id"]
    assert [call[0] for call in calls[1:-1]] == [row["updates"] for row in _rows(folder)]
    assert calls[-2][1]["valid/perplexity"] == _rows(folder)[-1]["valid_perplexity"]


def test_a_log_that_cannot_be_written_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="did you mean 'tensorboard'"):
        train_small(tmp_path / "run", log=["tensor-board"])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", list(EVENT_LOGS))
def test_a_missing_package_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RequestError, match="another package") as refusal:
        check_event_logs([name])
    (extra,) = re.findall(r"pip install 'seqloom\[(\w+)\]'", str(refusal.value))
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert EVENT_LOGS[name].package in project["optional-dependencies"][extra][0]


def test_without_the_option_nothing_is_imported() -> None:
    code = (
        "import sys, seqloom; seqloom.train; import seqloom.cli.train, seqloom.run.start\n"
        "print('tensorboardX' in sys.modules or 'seqloom.training.event_logs' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
