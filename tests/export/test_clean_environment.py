"""In an environment where neither torch nor Seqloom is installed, exported folders answer as `seqloom predict` does."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqloom
from seqloom.data.series.panel import History
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.tasks.backtest import forecast_histories
from tests.contract.test_commands import algorithm, language_model, ngram, vectors
from tests.export.test_folders import mixture, train_describer
from tests.support.labelled import train_labelled, write_series
from tests.support.pairs import train_pairs
from tests.support.sentences import train_tagger
from tests.support.sounds import TONES, spoken, train_sounds, write_wav
from tests.support.tagged_numbers import levels, train_levels
from tests.support.targets import write_label_sets, write_numbers

ROOT = Path(__file__).parents[2]
KINDS: dict[str, tuple[str, Callable[[Path], seqloom.Run]]] = {
    "classify": ("predict", lambda folder: train_labelled(folder / "run", updates=60, training__learning_rate=0.02)),
    "bag of words": ("predict", lambda folder: train_labelled(folder / "run", model="bow", updates=20)),
    "tag": ("predict", lambda folder: train_tagger(folder / "run", updates=20)),
    "translate": ("predict", lambda folder: train_pairs(folder / "run", updates=60, training__learning_rate=0.02)),
    "transformer": ("predict", lambda folder: train_pairs(folder / "run", model="transformer", updates=20)),
    "label sets": ("predict", lambda folder: train_target(folder, "labels", "gru")),
    "label sets, bag of words": ("predict", lambda folder: train_target(folder, "labels", "bow")),
    "number": ("predict", lambda folder: train_target(folder, "number", "gru")),
    "describe": ("predict", lambda folder: train_describer(folder, "gru+attention")),
    "forecast": ("forecast", lambda folder: train_forecaster(folder, "lstm")),
    "ridge": ("forecast", lambda folder: train_forecaster(folder, "ridge")),
    "seasonal-naive": ("forecast", lambda folder: train_forecaster(folder, "seasonal-naive")),
    "ar": ("forecast", lambda folder: train_forecaster(folder, "ar")),
    "mixture of forecasts": ("forecast", lambda folder: train_forecaster(folder, "mix")),
    "vectors": ("embed", vectors),
    "mixture": ("score", mixture),
    "language-model": ("score", language_model("lstm")),
    "language-model transformer": ("score", language_model("transformer")),
    "ngram": ("score", ngram),
}


def train_target(folder: Path, target: str, model: str) -> seqloom.Run:
    data = (write_label_sets if target == "labels" else write_numbers)(folder / "data.tsv")
    return train_labelled(folder / "run", data=data, model=model, updates=40, target=target)


def train_forecaster(folder: Path, model: str) -> seqloom.Run:
    path = folder / "series.csv"
    path.write_text("step,value\n" + "".join(f"{step},{step % 5 + step // 10 + 1}\n" for step in range(80)))
    is_network = model in ("lstm", "mix")
    settings = {"model.hidden_size": 8} if is_network else {}
    updates = 3 if is_network else 0
    return seqloom.train(
        "forecast", path, model=model, updates=updates, out=folder / "run", threads=1, quiet=True, settings=settings
    )


def lines(run: seqloom.Run) -> list[str]:
    """1,000 lines of the words of the training data, in any order, some of them unknown; of a model that reads numbers,
    lines of numbers."""
    if run.plan.task in ("describe", "forecast"):
        rng, size = np.random.default_rng(1), 8 if run.plan.task == "describe" else 40
        return [" ".join(f"{number:.3f}" for number in row) for row in 10 * rng.standard_normal((1_000, size))]
    text = Path(run.plan.sources.data).read_text().replace("\t", " ")
    words, rng = sorted(set(text.split())), random.Random(1)
    return [" ".join(rng.choices([*words, "Zyx"], k=rng.randint(1, 9))) for _ in range(1_000)]


def train_hearing(folder: Path, model: str) -> seqloom.Run:
    sizes = {} if "+" in model else {"model__hidden_size": 24}
    return train_sounds(
        folder / "run", model=model, updates=150, training__learning_rate=1e-2, input__dim=24, augment__noise=0,
        augment__frequency_masks=0, augment__time_masks=0, augment__gap_ms=100, **sizes,
    )  # fmt: skip


def train_svm(folder: Path) -> seqloom.Run:
    manifest = folder / "words.tsv"
    names = [(word, write_wav(folder / f"{word}{seed}.wav", spoken(word, seed=seed)))
             for word in TONES for seed in range(20)]  # fmt: skip
    manifest.write_text("path\ttext\n" + "".join(f"{path.name}\t{word}\n" for word, path in names))
    return seqloom.train("transcribe", manifest, model="svm", out=folder / "run", threads=1, quiet=True)


def sounds(longest: int) -> list[Any]:
    rng = random.Random(1)
    texts = [" ".join(rng.choices([*TONES], k=rng.randint(1, longest))) for _ in range(1_000)]
    return [spoken(text, number % 2, 100 + number) for number, text in enumerate(texts)]


def numbers(steps: Callable[[np.random.Generator], Any]) -> list[Any]:
    rng = np.random.default_rng(1)
    return [steps(rng) for _ in range(1_000)]


ARRAYS: dict[str, tuple[Callable[[Path], seqloom.Run], Callable[[seqloom.Run], list[Any]]]] = {
    "classify numbers": (
        lambda folder: train_labelled(folder / "run", data=write_series(folder / "series.ts"), updates=40),
        lambda _: numbers(lambda rng: rng.standard_normal((rng.integers(3, 20), 2)).cumsum(0)),
    ),
    "tag numbers": (
        lambda folder: train_levels(folder / "run"),
        lambda _: numbers(lambda rng: levels(int(rng.integers(3, 40)), rng)[0]),
    ),
    "transcribe": (lambda folder: train_hearing(folder, "gru"), lambda _: sounds(3)),
    "transcribe with attention": (lambda folder: train_hearing(folder, "gru+attention"), lambda _: sounds(3)),
    "transcribe svm": (train_svm, lambda _: sounds(1)),
    "algorithm": (
        algorithm,
        lambda run: numbers(lambda rng: rng.integers(0, 2, (20, run.model.layer.input_size)).astype(np.float32)),
    ),
}
"""Runs that read arrays, and 1,000 inputs of each."""

_ANSWERS = """
import json, sys, numpy, seqloom_portable
model, stored = seqloom_portable.load(sys.argv[1]), numpy.load(sys.argv[2])
inputs = [stored[str(number)] for number in range(len(stored.files))]
if hasattr(model, "probabilities"):
    answers = [model.probabilities(row[None])[0][0].tolist() for row in inputs]
else:
    answers = model.predict(inputs)
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of a new environment with seqloom-portable and what it needs."""
    folder = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", ROOT / "portable"], check=True)
    return python


def clean_environment(interpreter: Path, folder: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    absent = "import importlib.util as u; assert not any(map(u.find_spec, ('torch', 'numba', 'seqloom')))"
    subprocess.run([interpreter, "-c", absent], check=True, env=clean, cwd=folder)
    return clean


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_folders_answer_alike_on_a_thousand_lines(kind: str, interpreter: Path, tmp_path: Path) -> None:
    what, train = KINDS[kind]
    run = train(tmp_path)
    exporters["onnx"](run, tmp_path / "out", ExportOptions())
    clean = clean_environment(interpreter, tmp_path)
    text = "".join(f"{line}\n" for line in lines(run))
    command = [interpreter, "-m", "seqloom_portable", tmp_path / "out", what]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, env=clean, cwd=tmp_path)
    rows = (
        [np.array(line.split(), np.float64) for line in text.splitlines()]
        if run.plan.task in ("describe", "forecast")
        else []
    )
    if what == "forecast":
        histories = [History("", 0, row, np.zeros((len(row), 0)), np.zeros((len(row), 0)), np.zeros(0)) for row in rows]
        forecasts = forecast_histories(run.trained, histories, run.codec.horizon)
        got = [[float(number) for number in line.split("\t")] for line in done.stdout.splitlines()]
        np.testing.assert_allclose(got, [forecast.point for forecast in forecasts], rtol=1e-4, atol=1e-3)
    elif what == "embed":
        got = [[float(number) for number in line.split("\t")] for line in done.stdout.splitlines()]
        np.testing.assert_allclose(got, run.embed(text.splitlines()), rtol=1e-4, atol=1e-4)
    elif what == "score":
        got = [float(line) for line in done.stdout.splitlines()]
        assert got == pytest.approx([score.log_prob for score in run.score(text.splitlines())], abs=2e-3)
    elif kind == "number":
        got = [float(line) for line in done.stdout.splitlines()]
        assert got == pytest.approx([float(answer) for answer in run.predict(text.splitlines())], rel=1e-4, abs=1e-4)
    else:
        expected = run.predict(rows or text.splitlines())
        assert len(set(expected)) > 1
        assert done.stdout == "".join(f"{answer}\n" for answer in expected)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ARRAYS)
def test_folders_that_read_arrays_answer_alike(kind: str, interpreter: Path, tmp_path: Path) -> None:
    train, draw = ARRAYS[kind]
    run = train(tmp_path)
    inputs = draw(run)
    exporters["onnx"](run, tmp_path / "out", ExportOptions())
    np.savez(tmp_path / "inputs.npz", **{str(number): row for number, row in enumerate(inputs)})
    command = [interpreter, "-c", _ANSWERS, tmp_path / "out", tmp_path / "inputs.npz"]
    clean = clean_environment(interpreter, tmp_path)
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=clean, cwd=tmp_path)
    answers = json.loads(done.stdout)
    if kind == "algorithm":
        with torch.no_grad():
            expected = [torch.sigmoid(run.model(torch.from_numpy(row)[None]))[0].numpy() for row in inputs]
        np.testing.assert_allclose(answers, expected, atol=2e-5)
    else:
        expected = run.predict(inputs)
        assert len(set(expected)) > 1
        assert answers == expected
