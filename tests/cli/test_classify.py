"""`seqloom` on labelled series of the examples: train, evaluate, predict, embed, compare with what Python says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import seqloom
from tests.support.command_line import CommandLine
from tests.support.labelled import write_labelled

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMALL = ["--set", "model.hidden_size=8", "--set", "model.kernel_size=5"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLOOM_CACHE", str(folder / "cache"))
        return seqloom.train(
            "classify", str(EXAMPLES / "japanese_vowels.ts.gz"), model="cnn", updates=30, out=folder / "run",
            threads=1, quiet=True, settings={"model.hidden_size": 8},
        )  # fmt: skip


def test_a_series_is_trained_on_and_tested(cli: CommandLine, tmp_path: Path) -> None:
    out, files = tmp_path / "run", [EXAMPLES / f"gunpoint_{part}.ts.gz" for part in ("train", "test")]
    status, output, errors = cli(
        "train", "classify", files[0], "--test", files[1], "--model", "cnn", "--updates", 3, *SMALL,
        "--threads", 1, "--out", out, "--json",
    )  # fmt: skip
    assert status == 0, errors
    found = json.loads(output)
    assert found["test_examples"] == 150
    assert found["test_accuracy"] == seqloom.load(out).summary["test"]["accuracy"]
    status, output, errors = cli("evaluate", out, files[1], "--json")
    assert status == 0, errors
    assert json.loads(output)["accuracy"] == pytest.approx(found["test_accuracy"])


def test_series_are_answered_and_embedded(cli: CommandLine, trained: seqloom.Run, tmp_path: Path) -> None:
    path = str(EXAMPLES / "japanese_vowels.ts.gz")
    inputs = list(trained.inputs(path))
    status, output, errors = cli("predict", trained.folder, path)
    assert status == 0, errors
    assert output.split() == trained.predict(inputs)
    status, output, errors = cli("predict", trained.folder, path, "--proba")
    assert status == 0, errors
    assert all(len(line.split("\t")) == 9 for line in output.splitlines())
    status, _, errors = cli("embed", trained.folder, path, "--out", tmp_path / "vectors.npy")
    assert status == 0, errors
    vectors = np.load(tmp_path / "vectors.npy", allow_pickle=False)
    assert vectors.shape == (270, 8)
    np.testing.assert_allclose(vectors, trained.embed(inputs), rtol=1e-4, atol=1e-5)


def test_text_is_not_read_by_a_model_of_numbers(cli: CommandLine, trained: seqloom.Run) -> None:
    status, _, errors = cli("predict", trained.folder, standard_input="a text\n")
    assert status == 2
    assert "the model reads sequences of numbers" in errors


def test_settings_begin_as_the_kind_of_data_needs(cli: CommandLine, trained: seqloom.Run) -> None:
    """Those of numbers, where the file's name says so; `list` shows those of texts."""
    status, output, _ = cli("list", "settings", "classify", "cnn", "--json")
    assert status == 0
    of_texts = {row["name"]: row["value"] for row in json.loads(output)}
    assert of_texts["model.num_layers"] == 1
    assert trained.plan.settings.model.num_layers == 4  # type: ignore[attr-defined]


def test_a_training_that_gains_no_more_stops_and_says_so(cli: CommandLine, tmp_path: Path) -> None:
    data, out = write_labelled(tmp_path / "labelled.tsv"), tmp_path / "run"
    status, _, errors = cli(
        "train", "classify", data, "--model", "bow", "--updates", 400, "--threads", 1, "--out", out, "--set",
        "model.min_count=1",
    )  # fmt: skip
    assert status == 0, errors
    summary = seqloom.load(out).summary
    assert summary["out_of_patience"]
    assert summary["updates"] < 400
    best, updates = summary["best_updates"], summary["updates"]
    assert f"stopped before the budget was spent; best after update {best:,} of {updates:,}" in errors
