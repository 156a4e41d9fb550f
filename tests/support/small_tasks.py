"""A small training of every task: its data, a model, and settings with which it takes a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import seqloom
from tests.support.labelled import SMALL_NETWORK as SMALL_CLASSIFIER
from tests.support.labelled import write_labelled
from tests.support.pairs import SMALL_NETWORK as SMALL_TRANSLATOR
from tests.support.pairs import write_pairs
from tests.support.sentences import SMALL_NETWORK as SMALL_TAGGER
from tests.support.sentences import write_sentences
from tests.support.texts import SMALL, write_text


class SmallTask(NamedTuple):
    write: Callable[[Path], str]
    model: str
    settings: Mapping[str, Any]
    updates: int = 0
    epochs: int = 0

    def data(self, folder: Path) -> str:
        """What it is trained on, in this folder."""
        return self.write(folder / "data.tsv")

    def train(self, task: str, data: str, out: Path, resume: bool = False) -> seqloom.Run:
        return seqloom.train(
            task,
            data,
            model=self.model,
            updates=self.updates,
            epochs=self.epochs,
            out=out,
            resume=resume,
            quiet=True,
            threads=1,
            settings=self.settings,
        )


def write_numbers(path: Path) -> str:
    path = path.with_suffix(".csv")
    path.write_text("time,value\n" + "".join(f"{i},{(i % 12) + 0.1 * (i % 7)}\n" for i in range(240)))
    return str(path)


SMALL_TASKS = {
    "language-model": SmallTask(write_text, "lstm", {**SMALL, "model.hidden_size": 8}, updates=25),
    "translate": SmallTask(
        write_pairs, "gru+attention",
        {**SMALL_TRANSLATOR, "encoder.hidden_size": 8, "decoder.hidden_size": 8}, updates=25,
    ),
    "classify": SmallTask(
        write_labelled, "gru", {**SMALL_CLASSIFIER, "embedding.dim": 6, "model.hidden_size": 8}, updates=25
    ),
    "tag": SmallTask(write_sentences, "gru", {**SMALL_TAGGER, "model.hidden_size": 8}, updates=25),
    "vectors": SmallTask(
        write_text, "cbow", {"dim": 8, "tokenizer.min_count": 1, "passes.checkpoint_seconds": 1e-6}, epochs=3
    ),
    "algorithm": SmallTask(
        lambda _: "copy:length=3", "lstm",
        {"data.held_out": 10, "data.batch_size": 3, "model.hidden_size": 8, "training.evaluations": 3,
         "training.checkpoint_seconds": 0}, updates=25,
    ),
    "forecast": SmallTask(write_numbers, "ar", {}, epochs=1),
}  # fmt: skip
