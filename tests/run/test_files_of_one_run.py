"""The files of a run must belong together: one that is of another run, or has lost a part, is refused by name."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import seqloom
from seqloom.storage.tensors import read_tensors
from tests.support.small_tasks import SMALL_TASKS

Change = Callable[[Any], Any]


def words(number: int) -> Change:
    """Adds words at the end of the vocabulary, or takes the last away."""

    def change(tokenizer: dict[str, Any]) -> dict[str, Any]:
        model = tokenizer["model"]
        names = [*model["vocab"], *(f"new{i}" for i in range(number))][: len(model["vocab"]) + number]
        return tokenizer | {"model": model | {"vocab": {name: i for i, name in enumerate(names)}}}

    return change


def names(number: int, field: str = "") -> Change:
    """Adds names at the end of a list, or takes the last away."""

    def change(content: Any) -> Any:
        before = content[field] if field else content
        after = [*before, *(f"new{i}" for i in range(number))][: len(before) + number]
        return content | {field: after} if field else after

    return change


def columns(number: int) -> Change:
    def change(frames: dict[str, Any]) -> dict[str, Any]:
        return frames | {
            name: [*frames[name], 1.0, 1.0][: len(frames[name]) + number] for name in ("mean", "deviation")
        }

    return change


def features(**values: int) -> Change:
    return lambda content: content | {"features": content["features"] | values}


CHANGES: dict[str, list[tuple[str, Change]]] = {
    "language-model": [("tokenizer.json", words(3)), ("tokenizer.json", words(-3))],
    "language-model ngram": [("tokenizer.json", words(3))],
    "language-model mix": [("tokenizer.json", words(3)), ("parts/0/tokenizer.json", words(3))],
    "translate": [("tokenizer.json", words(3)), ("tokenizer.json", words(-3))],
    "classify": [("tokenizer.json", words(3)), ("labels.json", names(2)), ("labels.json", names(-1))],
    "classify bow": [("tokenizer.json", words(3)), ("labels.json", names(-1))],
    "classify series": [("frames.json", columns(1)), ("frames.json", columns(-1)), ("labels.json", names(-1))],
    "tag": [
        ("labels.json", names(1)), ("labels.json", names(-1)),
        *[("vocabulary.json", names(n, field)) for n in (2, -1) for field in ("words", "characters")],
    ],
    "algorithm": [("algorithm.json", lambda content: content | {"name": "repeat-copy"})],
    "describe": [("tokenizer.json", words(3)), ("frames.json", columns(2))],
    "transcribe": [("tokenizer.json", words(-2)), ("features.json", features(stack=4))],
    "forecast ridge": [("series.json", lambda content: content | {"period": 7})],
    "forecast gru": [],
    "vectors skipgram": [("tokenizer.json", words(3)), ("tokenizer.json", words(-3))],
}  # fmt: skip


QUICK = {"language-model mix", "translate", "classify", "classify bow", "tag", "transcribe"}
"""With the slow ones, every kind of model and of codec."""
KINDS = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CHANGES]


@pytest.fixture(scope="module", params=KINDS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    name: str = request.param
    folder = tmp_path_factory.mktemp(name.replace(" ", "-"))
    small = SMALL_TASKS[name]
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.setenv("SEQLOOM_CACHE", str(folder / "cache"))
        small = small._replace(updates=min(small.updates, 1), epochs=min(small.epochs, 1))
        small.train(name, small.data(folder), folder / "run")
    return name, folder / "run"


def copied(run: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("training"))
    return copy


def write(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    safetensors.torch.save_file(tensors, path)


def test_a_file_of_another_run_is_refused(trained: tuple[str, Path], tmp_path: Path) -> None:
    """A vocabulary, list of labels or description of the numbers of another size than the weights."""
    name, run = trained
    seqloom.load(copied(run, tmp_path))
    for file, change in CHANGES[name]:
        path = copied(run, tmp_path) / file
        path.write_text(json.dumps(change(json.loads(path.read_text()))))
        with pytest.raises(seqloom.SeqloomError, match=r"do not belong together|damaged") as refused:
            seqloom.load(tmp_path / "copy")
        assert str(refused.value.where).startswith(str(tmp_path / "copy"))


@pytest.mark.parametrize("trained", ["language-model mix"], indirect=True)
@pytest.mark.parametrize(
    ("pattern", "instead"), [("batch_size = .*", "batch_size = inf"), ("model = .*", ""), ("settings", "nothing")]
)
def test_a_damaged_part_of_a_mixture_is_refused(
    trained: tuple[str, Path], pattern: str, instead: str, tmp_path: Path
) -> None:
    copy = copied(trained[1], tmp_path)
    config = copy / "parts" / "0" / "config.toml"
    config.write_text(re.sub(pattern, instead, config.read_text()))
    with pytest.raises(seqloom.SeqloomError, match="configuration is damaged"):
        seqloom.load(copy)


def test_weights_that_lack_a_tensor_are_refused(trained: tuple[str, Path], tmp_path: Path) -> None:
    _, run = trained
    for name in read_tensors(run / "model.safetensors").keys() - {"shares"}:  # which older runs of ridge do not have
        path = copied(run, tmp_path) / "model.safetensors"
        tensors = read_tensors(path)
        del tensors[name]
        write(path, tensors)
        with pytest.raises(seqloom.SeqloomError):
            seqloom.load(tmp_path / "copy")


INDICES = ("begin", "words", "roots", "first_child", "rows", "sizes")


def test_integers_out_of_range_are_refused(trained: tuple[str, Path], tmp_path: Path) -> None:
    """Rows and nodes that compiled loops go to, and sizes that memory is taken for."""
    _, run = trained
    for name, tensor in read_tensors(run / "model.safetensors").items():
        most = torch.iinfo(tensor.dtype).max if name.split(".")[-1] in INDICES else 0
        for value in ((most, -7) if tensor.dtype.is_signed else (most,)) if most else ():
            path = copied(run, tmp_path) / "model.safetensors"
            tensors = read_tensors(path)
            tensors[name].view(-1)[0 if "sizes" in name else -1] = value
            write(path, tensors)
            with pytest.raises(seqloom.SeqloomError):
                seqloom.load(tmp_path / "copy")
