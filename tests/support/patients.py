"""Trainings with planted diseases, and healthy ones: small data drawn from a seed, and what is wrong with each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

import seqloom
from seqloom.nn.cells.rnn import RNN, RNNSettings

Random = np.random.Generator
Write = Callable[[Path, Random, int], str]
"""Writes so many examples, or questions of a text, to a path, which gets an ending."""
Alter = Callable[[RNN], None]
"""Changes the initial weights of a cell."""


@dataclass(frozen=True)
class Patient:
    """`disease`: what `explain` should find first. `write` draws the data; `alter` plants initial weights in the cells
    with ReLU. `cured`: whether a change of settings is a cure."""

    name: str
    disease: str
    task: str
    model: str
    write: Write
    count: int
    updates: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    alter: Alter | None = None
    cured: bool = True

    def __str__(self) -> str:
        return self.name

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Within this context, cells with ReLU begin with the planted weights, also those that `explain` builds."""
        begin, alter = RNN.__init__, self.alter

        def altered(cell: RNN, input_size: int, settings: RNNSettings) -> None:
            begin(cell, input_size, settings)
            if alter is not None and settings.activation == "relu":
                with torch.no_grad():
                    alter(cell)

        with patch.object(RNN, "__init__", altered):
            yield

    def train(self, folder: Path, seed: int) -> tuple[seqloom.Run, str]:
        """A run with the data of the seed, and the data."""
        rng = np.random.default_rng(seed)
        folder.mkdir(parents=True, exist_ok=True)
        data, valid = (
            self.write(folder / "train", rng, self.count),
            self.write(folder / "valid", rng, _VALID.get(self.task, 400)),
        )
        run = seqloom.train(
            self.task, data, valid=valid, model=self.model, updates=self.updates, seed=seed, out=folder / "run",
            threads=1, quiet=True, settings={"training.checkpoint_seconds": 1000, **_SMALL[self.task], **self.settings},
        )  # fmt: skip
        return run, valid


_VALID = {"language-model": 2_000}
_SMALL: dict[str, dict[str, Any]] = {
    "classify": {"model.hidden_size": 32, "output.pool": "last", "data.examples_per_batch": 32},
    "translate": {
        "encoder.hidden_size": 48,
        "decoder.hidden_size": 48,
        "embedding.dim": 16,
        "decoding.validation_examples": 20,
    },
    "language-model": {"model.hidden_size": 64, "embedding.dim": 32, "tokenizer.min_count": 1},
}
_PAIRS = {"data.tokens_per_batch": 400, "training.learning_rate": 5e-3, "embedding.dropout": 0.0,
          "output.dropout": 0.0, "output.label_smoothing": 0.0}  # fmt: skip
_TEXT = {"embedding.dim": 32, "embedding.dropout": 0.0, "output.dropout": 0.0, "tokenizer.min_count": 1}


def adding_problem(time: int) -> Write:
    """Numbers in [0, 1] and a mask with a one in each half: is the sum of the two marked numbers above 1? Hochreiter
    and Schmidhuber 1997, experiment 4, as classes."""

    def write(path: Path, rng: Random, count: int) -> str:
        lines = ["@univariate false\n@classLabel true small large\n@data\n"]
        for _ in range(count):
            values, marks = rng.random(time), np.zeros(time, int)
            marks[[rng.integers(time // 2), rng.integers(time // 2, time)]] = 1
            label = "large" if values @ marks > 1 else "small"
            lines.append(f"{','.join(f'{v:.3f}' for v in values)}:{','.join(map(str, marks))}:{label}\n")
        path = path.with_suffix(".ts")
        path.write_text("".join(lines))
        return str(path)

    return write


def early_word(time: int, long: int = 0) -> Write:
    """One of four words, which is the class, at the beginning of a text of `time` words that tell nothing; one text of
    five has `long` words, if any."""

    def write(path: Path, rng: Random, count: int) -> str:
        lines = []
        for _ in range(count):
            label, length = rng.integers(4), long if long and rng.random() < 0.2 else time
            words = [f"key{label}", *(f"w{i}" for i in rng.integers(6, size=length - 1))]
            lines.append(f"class{label}\t{' '.join(words)}\n")
        path = path.with_suffix(".tsv")
        path.write_text("".join(lines))
        return str(path)

    return write


def random_words(words: int, vocabulary: int, noise: float) -> Write:
    """Texts of words of which some speak weakly for a class, and some labels are wrong."""

    def write(path: Path, rng: Random, count: int) -> str:
        lines = []
        for _ in range(count):
            label = rng.integers(2)
            ids = rng.integers(vocabulary, size=words)
            ids[: words // 4] = ids[: words // 4] // 2 * 2 + label
            rng.shuffle(ids)
            lines.append(
                f"class{rng.integers(2) if rng.random() < noise else label}\t{' '.join(f'w{i}' for i in ids)}\n"
            )
        path = path.with_suffix(".tsv")
        path.write_text("".join(lines))
        return str(path)

    return write


def answers(time: int) -> Write:
    """A stream of questions: a key word, `time` words that tell nothing, and after `?` the key again."""

    def write(path: Path, rng: Random, count: int) -> str:
        lines = []
        for _ in range(count // 20):
            line = []
            for _ in range(20):
                key = rng.integers(8)
                line += [f"key{key}", *(f"w{i}" for i in rng.integers(3, size=time)), "?", f"answer{key}"]
            lines.append(" ".join(line) + "\n")
        path = path.with_suffix(".txt")
        path.write_text("".join(lines))
        return str(path)

    return write


def reversed_letters(longest: int, alphabet: str = "abcdefgh") -> Write:
    """Letters, and the same in reverse."""

    def write(path: Path, rng: Random, count: int) -> str:
        lines = []
        for _ in range(count):
            letters = rng.choice(list(alphabet), size=rng.integers(2, longest + 1))
            lines.append(f"{' '.join(letters)}\t{' '.join(letters[::-1])}\n")
        path = path.with_suffix(".tsv")
        path.write_text("".join(lines))
        return str(path)

    return write


def _large_recurrent_matrix(cell: RNN) -> None:
    """The gradients of rare long texts are some 10^5 times those of the others. AdamW divides by their mean square, so
    that its steps are too small to learn from the others for some hundred updates; where all gradients are equally
    large, they do no harm."""
    cell.recurrent_weight.mul_(1.15)


def _dying_units(cell: RNN) -> None:
    cell.bias[:] = -8.0


PATIENTS = [
    Patient("vanishing", "vanishing gradients", "classify", "rnn", adding_problem(200), 1_000, 400,
            {"training.evaluations": 5}),
    Patient("exploding", "exploding gradients", "classify", "rnn", early_word(20, long=100), 2_000, 100,
            {**_TEXT, "model.activation": "relu", "training.clip_norm": 0.0}, _large_recurrent_matrix),
    Patient("saturated", "saturated gates", "classify", "lstm", early_word(40), 2_000, 250,
            {**_TEXT, "model.forget_bias": -8.0}),
    Patient("dead", "dead units", "classify", "rnn", early_word(20), 2_000, 250,
            {**_TEXT, "model.activation": "relu"}, _dying_units),
    Patient("short-horizon", "horizon too short", "language-model", "lstm", answers(10), 5_000, 800,
            {"data.horizon": 5}),
    Patient("over-fitted", "over-fitting", "classify", "lstm", random_words(20, 200, 0.2), 300, 250, _TEXT),
    Patient("under-trained", "under-training", "classify", "lstm", early_word(15), 4_000, 25, _TEXT),
    Patient("bottleneck", "bottleneck", "translate", "lstm", reversed_letters(14), 6_000, 1_500, _PAIRS),
    Patient("fast", "learning rate too high", "classify", "lstm", early_word(20), 2_000, 250,
            {**_TEXT, "training.learning_rate": 0.3}),
    Patient("healthy-classifier", "healthy", "classify", "lstm", early_word(15), 4_000, 300, _TEXT, cured=False),
    Patient("healthy-translator", "healthy", "translate", "lstm+attention", reversed_letters(6), 6_000, 700, _PAIRS,
            cured=False),
    Patient("healthy-language-model", "healthy", "language-model", "lstm", answers(3), 10_000, 1_000, cured=False),
]  # fmt: skip
CURED = [patient for patient in PATIENTS if patient.cured]
BY_NAME = {patient.name: patient for patient in PATIENTS}
