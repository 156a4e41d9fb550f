"""Trains four models on the beginning of Moby Dick and draws their memory lengths on its end into
docs/figures/memory.svg."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import seqloom
from seqloom.explain.explanation import explain

_ROOT = Path(__file__).resolve().parent.parent
_TEXT = "examples/moby_dick.txt"
_HELD_OUT = 0.1
"""The share of the lines, at the end, that no model is trained on."""
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
        read, held_out = _split(folder or Path(temporary))
        runs = [_run(model, read, (folder or Path(temporary)) / model) for model in _MODELS]
        explanation = explain(runs, held_out)
        explanation.write(Path(temporary) / "explained", Path(temporary) / "figures")
        figures = _ROOT / "docs" / "figures"
        figures.mkdir(exist_ok=True)
        (Path(temporary) / "figures" / f"{_FIGURE}.svg").replace(figures / f"{_FIGURE}.svg")
    print(explanation)


def _split(folder: Path) -> tuple[str, str]:
    """The files of what is trained on and of what is held out."""
    lines = (_ROOT / _TEXT).read_text(encoding="utf-8").splitlines(keepends=True)
    cut = round(len(lines) * (1 - _HELD_OUT))
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("read.txt", lines[:cut]), ("held_out.txt", lines[cut:])):
        (folder / name).write_text("".join(part), encoding="utf-8")
    return str(folder / "read.txt"), str(folder / "held_out.txt")


def _run(model: str, text: str, folder: Path) -> seqloom.Run:
    """Of words, with punctuation marks as words of their own; the models as they come."""
    if (folder / "summary.json").exists():
        return seqloom.load(folder)
    return seqloom.train(
        "language-model", text, model=model, epochs=_EPOCHS, seed=_SEED, threads=1, out=folder, quiet=True,
        settings={"tokenizer.punctuation": True},
    )  # fmt: skip


if __name__ == "__main__":
    main()
