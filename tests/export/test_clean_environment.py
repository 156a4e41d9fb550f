"""In an environment where neither torch nor Seqloom is installed, exported folders answer as `seqloom predict` does."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import seqloom
from seqloom.data.series.panel import History
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.tasks.backtest import forecast_histories
from tests.contract.test_commands import language_model, ngram, vectors
from tests.export.test_folders import mixture, train_describer
from tests.support.labelled import train_labelled
from tests.support.pairs import train_pairs
from tests.support.sentences import train_tagger

ROOT = Path(__file__).parents[2]
KINDS: dict[str, tuple[str, Callable[[Path], seqloom.Run]]] = {
    "classify": ("predict", lambda folder: train_labelled(folder / "run", updates=20)),
    "bag of words": ("predict", lambda folder: train_labelled(folder / "run", model="bow", updates=20)),
    "tag": ("predict", lambda folder: train_tagger(folder / "run", updates=20)),
    "translate": ("predict", lambda folder: train_pairs(folder / "run", updates=20)),
    "transformer": ("predict", lambda folder: train_pairs(folder / "run", model="transformer", updates=20)),
    "describe": ("predict", lambda folder: train_describer(folder, "gru+attention")),
    "forecast": ("forecast", lambda folder: train_forecaster(folder, "lstm")),
    "ridge": ("forecast", lambda folder: train_forecaster(folder, "ridge")),
    "ar": ("forecast", lambda folder: train_forecaster(folder, "ar")),
    "mixture of forecasts": ("forecast", lambda folder: train_forecaster(folder, "mix")),
    "vectors": ("embed", vectors),
    "mixture": ("score", mixture),
    "language-model": ("score", language_model("lstm")),
    "ngram": ("score", ngram),
}


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
        chance, size = np.random.default_rng(1), 8 if run.plan.task == "describe" else 40
        return [" ".join(f"{number:.3f}" for number in row) for row in 10 * chance.standard_normal((1_000, size))]
    text = Path(run.plan.sources.data).read_text().replace("\t", " ")
    words, chance = sorted(set(text.split())), random.Random(1)
    return [" ".join(chance.choices([*words, "Zyx"], k=chance.randint(1, 9))) for _ in range(1_000)]


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of a new environment with seqloom-portable and what it needs."""
    folder = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", ROOT / "portable"], check=True)
    return python


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_folders_answer_alike_on_a_thousand_lines(kind: str, interpreter: Path, tmp_path: Path) -> None:
    what, train = KINDS[kind]
    run = train(tmp_path)
    exporters["onnx"](run, tmp_path / "out", ExportOptions())
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    absent = "import importlib.util as u; assert not any(map(u.find_spec, ('torch', 'numba', 'seqloom')))"
    subprocess.run([interpreter, "-c", absent], check=True, env=clean, cwd=tmp_path)
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
    else:
        expected = run.predict(rows or text.splitlines())
        assert done.stdout == "".join(f"{answer}\n" for answer in expected)
