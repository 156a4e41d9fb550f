"""Trains four models on Moby Dick and draws their memory lengths into docs/figures/memory.svg."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import seqloom
from seqloom.explain.explanation import explain

_ROOT = Path(__file__).resolve().parent.parent
_TEXT = "examples/moby_dick.txt"
_EPOCHS, _SEED = 2, 1
_MODELS = ("ngram", "ffnn", "lstm", "transformer")
_FIGURE = "memory"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--runs", type=Path, help="the folder of the runs; those that are finished are not trained again"
    )
    folder = parser.parse_args().runs
    os.chdir(_ROOT)
    with tempfile.TemporaryDirectory() as temporary:
        runs = [_run(model, (folder or Path(temporary)) / model) for model in _MODELS]
        explanation = explain(runs, _TEXT)
        explanation.write(Path(temporary) / "explained", Path(temporary) / "figures")
        figures = _ROOT / "docs" / "figures"
        figures.mkdir(exist_ok=True)
        (Path(temporary) / "figures" / f"{_FIGURE}.svg").replace(figures / f"{_FIGURE}.svg")
    print(explanation)


def _run(model: str, folder: Path) -> seqloom.Run:
    """Of words, with punctuation marks as words of their own; the models as they come."""
    if (folder / "summary.json").exists():
        return seqloom.load(folder)
    return seqloom.train(
        "language-model", _TEXT, model=model, epochs=_EPOCHS, seed=_SEED, threads=1, out=folder, quiet=True,
        settings={"tokenizer.punctuation": True},
    )  # fmt: skip


if __name__ == "__main__":
    main()
