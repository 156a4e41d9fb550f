"""Small trainings: their data, model and settings, with which they take a second. There is one of every task, and more
of the tasks whose runs hold other files with another model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import seqloom
from tests.support.labelled import SMALL_NETWORK as SMALL_CLASSIFIER
from tests.support.labelled import write_labelled, write_series
from tests.support.pairs import SMALL_NETWORK as SMALL_TRANSLATOR
from tests.support.pairs import write_pairs
from tests.support.sentences import SMALL_NETWORK as SMALL_TAGGER
from tests.support.sentences import write_sentences
from tests.support.sounds import SMALL_NETWORK as SMALL_TRANSCRIBER
from tests.support.sounds import write_recordings
from tests.support.tagged_numbers import SMALL_NETWORK as SMALL_STEP_TAGGER
from tests.support.tagged_numbers import write_levels
from tests.support.texts import SMALL, write_text
from tests.support.vectors_with_texts import SMALL_NETWORK as SMALL_DESCRIBER
from tests.support.vectors_with_texts import write_scenes


class SmallTask(NamedTuple):
    """`more_settings` are those that name files in the folder of the data."""

    write: Callable[[Path], str]
    model: str
    settings: Mapping[str, Any]
    updates: int = 0
    epochs: int = 0
    more_settings: Callable[[Path], Mapping[str, Any]] = lambda _: {}

    def data(self, folder: Path) -> str:
        """What it is trained on, in this folder."""
        return self.write(folder / "data.tsv")

    def train(self, name: str, data: str, out: Path, resume: bool = False) -> seqloom.Run:
        """`name` is that in `SMALL_TASKS`."""
        return seqloom.train(
            task_of(name),
            data,
            model=self.model,
            updates=self.updates,
            epochs=self.epochs,
            out=out,
            resume=resume,
            quiet=True,
            threads=1,
            settings=self.all_settings(data),
        )

    def all_settings(self, data: str) -> dict[str, Any]:
        return {**self.settings, **self.more_settings(Path(data).parent)}

    def options(self, data: str) -> list[str]:
        """Those of the command line for the same training."""
        settings = [f"{name}={value}" for name, value in self.all_settings(data).items()]
        budget = ["--updates", str(self.updates), "--epochs", str(self.epochs)]
        return [*budget, *(word for setting in settings for word in ("--set", setting))]


def task_of(name: str) -> str:
    """The task of an entry of `SMALL_TASKS`: its first word."""
    return name.partition(" ")[0]


def write_numbers(path: Path) -> str:
    path = path.with_suffix(".csv")
    path.write_text("time,value\n" + "".join(f"{i},{(i % 12) + 0.1 * (i % 7)}\n" for i in range(240)))
    return str(path)


def _parts(folder: Path) -> dict[str, str]:
    """The runs that a mixture takes its models from, trained if they are not there."""
    parts = {name: folder / f"part-{name.partition(' ')[2] or 'network'}" for name in ("language-model", NGRAM)}
    for name, part in parts.items():
        if not (part / "summary.json").exists():
            SMALL_TASKS[name].train(name, str(folder / "data.tsv"), part, resume=True)
    return {"model.parts": ",".join(map(str, parts.values()))}


NGRAM = "language-model ngram"
_COPY = {"data.held_out": 10, "data.batch_size": 3, "training.evaluations": 3, "training.checkpoint_seconds": 0}
_PASSES = {"dim": 8, "tokenizer.min_count": 1, "passes.checkpoint_seconds": 1e-6}
_TRANSFORMER = {"model_dim": 8, "num_heads": 2, "num_layers": 1}

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
    "vectors": SmallTask(write_text, "cbow", _PASSES, epochs=3),
    "algorithm": SmallTask(lambda _: "copy:length=3", "lstm", {**_COPY, "model.hidden_size": 8}, updates=25),
    "describe": SmallTask(write_scenes, "gru", {**SMALL_DESCRIBER, "training.checkpoint_seconds": 0}, updates=25),
    "transcribe": SmallTask(
        write_recordings, "gru", {**SMALL_TRANSCRIBER, "training.checkpoint_seconds": 0, "training.evaluations": 3},
        updates=25,
    ),
    "forecast": SmallTask(write_numbers, "ar", {}, epochs=1),
    NGRAM: SmallTask(write_text, "ngram", {"model.order": 3}),
    "language-model mix": SmallTask(write_text, "mix", {}, more_settings=_parts),
    "language-model transformer": SmallTask(
        write_text, "transformer", {**SMALL, **{f"model.{name}": size for name, size in _TRANSFORMER.items()}},
        updates=25,
    ),
    "translate joint-ngram": SmallTask(write_pairs, "joint-ngram", {"tokenizer.min_count": 1, "model.order": 3}),
    "translate transformer": SmallTask(
        write_pairs, "transformer",
        {**SMALL_TRANSLATOR, **{f"{side}.{name}": size for side in ("encoder", "decoder")
                                for name, size in _TRANSFORMER.items()}}, updates=25,
    ),
    "classify bow": SmallTask(write_labelled, "bow", {"model.min_count": 1, "training.patience": 0}, updates=25),
    "classify series": SmallTask(
        lambda path: write_series(path.with_suffix(".ts")), "gru", {"model.hidden_size": 8, "embedding.dim": 6},
        updates=25,
    ),
    "tag bilstm": SmallTask(
        write_sentences, "bilstm", {**SMALL_TAGGER, "model.hidden_size": 8, "language_model_weight": 0.3}, updates=25
    ),
    "tag steps": SmallTask(write_levels, "gru", SMALL_STEP_TAGGER, updates=25),
    "vectors skipgram": SmallTask(
        write_text, "skipgram", {**_PASSES, "subwords.longest": 4, "subwords.buckets": 50}, epochs=3
    ),
    "vectors softmax": SmallTask(write_text, "skipgram", {**_PASSES, "objective": "hierarchical-softmax"}, epochs=3),
    "vectors documents": SmallTask(write_text, "pv-dbow", {**_PASSES, "inference_passes": 3}, epochs=3),
    "algorithm ntm": SmallTask(
        lambda _: "copy:length=3", "ntm",
        {**_COPY, "model.hidden_size": 8, "model.memory_size": 6, "model.memory_width": 4}, updates=25,
    ),
    "forecast gru": SmallTask(write_numbers, "gru", {"model.hidden_size": 8}, updates=25),
    "forecast ridge": SmallTask(write_numbers, "ridge", {}),
}  # fmt: skip
