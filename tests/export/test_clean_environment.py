"""In an environment where neither torch nor Seqloom is installed, exported folders answer as `seqloom predict` does."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import seqloom
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from tests.contract.test_commands import language_model, ngram
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
    "language-model": ("score", language_model("lstm")),
    "ngram": ("score", ngram),
}


def lines(run: seqloom.Run) -> list[str]:
    """1,000 lines of the words of the training data, in any order; some words are unknown."""
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
    if what == "score":
        got = [float(line) for line in done.stdout.splitlines()]
        assert got == pytest.approx([score.log_prob for score in run.score(text.splitlines())], abs=2e-3)
    else:
        expected = run.predict(text.splitlines())
        assert done.stdout == "".join(f"{answer}\n" for answer in expected)
