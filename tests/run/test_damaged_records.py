"""Files of a run with wrong values: one message that names the file, never a traceback or a silent use."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import seqloom
from seqloom.storage.tensors import read_tensors, write_tensors
from seqloom.tasks.language_model import LanguageModelTask
from seqloom.training.reports import MetricsFile, read_summary
from tests.support.small_runs import shared_run, train_small


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_run(tmp_path_factory, model="rnn", updates=6).folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    shutil.copy(trained.parent / "text.txt", tmp_path / "text.txt")
    shutil.copytree(trained, tmp_path / "run")
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text().replace(str(trained.parent), str(tmp_path)))
    return tmp_path / "run"


def resume(run: Path) -> seqloom.Run:
    return train_small(run, model="rnn", updates=6, resume=True)


def test_what_is_whole_is_resumed(run: Path) -> None:
    assert resume(run).summary["finished"]


@pytest.mark.parametrize(
    "values",
    [
        {"step": -5}, {"step": 10**9}, {"step": "3"}, {"step": 1.5}, {"updates": None}, {"seconds": float("nan")},
        {"seconds": -1.0}, {"recent_loss": [1.0]}, {"recent_loss": "ab"}, {"finished": 1}, {"epoch": True},
        {"best": "good"}, {"unknown": 1}, {"epoch": 10**30},
    ],
    ids=str,
)  # fmt: skip
def test_wrong_progress_is_named(values: dict[str, Any], run: Path) -> None:
    (path,) = (run / "training").glob("*/progress.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"finished": False} | values))
    with pytest.raises(seqloom.SeqloomError, match="damaged") as refused:
        resume(run)
    assert refused.value.where == str(path)


@pytest.mark.parametrize("content", ["[]", "3", "{", "\xff", "[" * 100_000])
def test_progress_that_is_no_object_is_named(content: str, run: Path) -> None:
    (path,) = (run / "training").glob("*/progress.json")
    path.write_text(content, encoding="latin-1")
    with pytest.raises(seqloom.SeqloomError, match="damaged"):
        resume(run)


@pytest.mark.parametrize("name", ["../..", "/etc", "", "update-000000006/../..", "update-\xff", "update-00000000\n"])
def test_the_current_checkpoint_lies_in_the_run(name: str, run: Path) -> None:
    (run / "training" / "current").write_text(name, encoding="latin-1")
    with pytest.raises(seqloom.SeqloomError, match="damaged") as refused:
        resume(run)
    assert refused.value.where == str(run / "training" / "current")


Change = Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("optimizer", lambda tensors: {name.partition(".")[2]: tensor for name, tensor in tensors.items()}),
        ("optimizer", lambda tensors: {name: tensor.flatten() for name, tensor in tensors.items()}),
        ("optimizer", lambda tensors: {f"9{name}": tensor for name, tensor in tensors.items()}),
        ("ranks", lambda _: {}),
        ("ranks", lambda tensors: {"a.b": next(iter(tensors.values()))}),
        ("ranks", lambda tensors: {name: tensor[:1] for name, tensor in tensors.items()}),
        ("model", lambda _: {}),
        ("average", lambda _: {"7": torch.zeros(1)}),
    ],
)
def test_tensors_of_another_training_are_refused(file: str, change: Change, run: Path) -> None:
    (path,) = (run / "training").glob("*/progress.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"finished": False, "epoch": 0, "step": 1}))
    tensors = path.with_name(f"{file}.safetensors")
    write_tensors(tensors, change(read_tensors(tensors)))
    with pytest.raises(seqloom.SeqloomError):
        resume(run)


@pytest.mark.parametrize(
    "line", ["[]", "{}", '{"updates": "x"}', '{"updates": -1, "epoch": 1}', "nonsense", '{"updates": 1e400}']
)
def test_wrong_metrics_are_named_with_their_line(line: str, run: Path) -> None:
    path = run / "metrics.jsonl"
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(seqloom.SeqloomError, match="damaged") as refused:
        MetricsFile(run).rows()
    assert refused.value.where == f"{path}:{len(path.read_text().splitlines())}"


def test_a_line_of_metrics_that_was_cut_is_left_out(run: Path) -> None:
    path = run / "metrics.jsonl"
    rows = MetricsFile(run).rows()
    path.write_text(path.read_text() + '{"updates": 7, "ep')
    assert MetricsFile(run).rows() == rows


@pytest.mark.parametrize(
    "values",
    [{"finished": "yes"}, {"score": 3}, {"valid": []}, {"test": 4}, {"valid": {}}, {"valid": {"perplexity": "low"}},
     {"updates": None}],
    ids=str,
)  # fmt: skip
def test_a_wrong_summary_is_named(values: dict[str, Any], run: Path) -> None:
    path = run / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    with pytest.raises(seqloom.SeqloomError, match="damaged") as refused:
        read_summary(run)
    assert refused.value.where == str(path)


@pytest.mark.parametrize("name", ["test", "valid", "seconds"])
def test_what_a_summary_lacks_is_named(name: str, run: Path) -> None:
    path = run / "summary.json"
    summary = json.loads(path.read_text())
    del summary[name]
    path.write_text(json.dumps(summary))
    with pytest.raises(seqloom.SeqloomError, match=f"no {name}"):
        read_summary(run)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('task = "language-model"', "task = 5"),
        ("seed = 1", 'seed = "one"'),
        ("seed = 1", f"seed = {10**30}"),
        ("seed = 1", f"seed = {'9' * 5000}"),
        ("[budget]", "[budget]\nepochs = 3"),
        ("[sources]", "[sources]\nvalid = 5"),
        ("[sources]", "[sources]\nunknown = 'x'"),
        ("[contents]", "[other]\n[[contents]]"),
        ("[sources]", f"deep = {'[' * 5000}{']' * 5000}\n[sources]"),
    ],
)
def test_a_wrong_configuration_is_named(before: str, after: str, run: Path) -> None:
    path = run / "config.toml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(seqloom.SeqloomError):
        seqloom.load(run)


def test_weights_that_are_not_numbers_are_named(run: Path) -> None:
    tensors = read_tensors(run / "model.safetensors")
    for name in [name for name, tensor in tensors.items() if tensor.is_floating_point()]:
        broken = tensors[name].clone()
        broken.view(-1)[-1] = float("nan")
        write_tensors(run / "model.safetensors", tensors | {name: broken})
        with pytest.raises(seqloom.SeqloomError, match=name) as refused:
            seqloom.load(run)
        assert refused.value.got == "NaN"


def test_a_size_that_the_weights_do_not_have_takes_no_memory(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of a run from elsewhere may be any number; 65,536 hidden units would be 17 GB."""
    path, devices, rebuild = run / "config.toml", [], LanguageModelTask.rebuild
    path.write_text(path.read_text().replace("hidden_size = 8", "hidden_size = 65536"))

    def rebuild_here(*arguments: Any) -> Any:
        devices.append(torch.empty(0).device.type)
        return rebuild(*arguments)

    monkeypatch.setattr(LanguageModelTask, "rebuild", rebuild_here)
    with pytest.raises(seqloom.SeqloomError, match="different shape"):
        seqloom.load(run)
    assert devices == ["meta"]
