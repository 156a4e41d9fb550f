"""Generated data whose answer is known: each `World` says what `seqloom compare` must find in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import seqloom
from seqloom.cli.main import app
from seqloom.comparison import trainings

from . import worlds

DRAWS = 20
REQUIRED = 19
"""Of the draws of each world: so many must give the known answer."""

Report = Mapping[str, Any]


@dataclass(frozen=True)
class World:
    """Data that `write` draws anew for each seed, into a file of the kind `suffix`. `answer`: what is known, in words;
    `is_right`: whether a report says it."""

    data: str
    answer: str
    write: Callable[[Path, int], str]
    is_right: Callable[[Report], bool]
    task: str
    models: Sequence[str]
    updates: int
    settings: Mapping[str, Any]
    suffix: str = "txt"

    def report(self, draw: int, folder: Path) -> Report:
        """The report of a comparison with three seeds on the data of one draw. The budget is a number of updates, so
        that it does not depend on the machine; the trainings run in this process, since starting one for each takes
        longer than they do."""
        data = self.write(folder / f"data.{self.suffix}", 100 + draw)
        with patch.object(trainings, "run_training", _train_here):
            return seqloom.compare(
                self.task,
                data,
                models=self.models,
                updates=self.updates,
                settings=self.settings,
                threads=1,
                out=folder / "compared",
                quiet=True,
            ).report


def _train_here(arguments: Sequence[str], title: str, quiet: bool = False) -> None:  # noqa: ARG001
    app(["train", *arguments], standalone_mode=False)


def _nothing_beats(report: Report, model: str) -> bool:
    """Whether no other model is better, beyond chance."""
    return not any(pair["told_apart"] and pair["model"] == model for pair in report["pairs"])


def _says(report: Report, topic: str, claim: str) -> bool:
    """Whether the report makes a claim about a topic, beyond chance."""
    return any(
        answer["topic"] == topic and answer["told_apart"] and answer["text"].startswith(f"{claim}:")
        for answer in report["answers"]
    )


_SMALL_CLASSIFIERS = {"gru:hidden_size": 32, "gru:embedding.dim": 16, "evaluations": 3}

WORLDS: dict[str, World] = {
    "markov_text": World(
        "text in which the last two words decide",
        "counting is enough: no network beats the n-gram model",
        worlds.markov_text,
        lambda report: _nothing_beats(report, "ngram"),
        "language-model",
        ["ngram", "ffnn", "gru"],
        200,
        {
            "data.mode": "lines",
            "tokenizer.min_count": 1,
            "embedding.dim": 24,
            "embedding.dropout": 0.0,
            "output.dropout": 0.0,
            "hidden_size": 32,
            "learning_rate": 0.005,
            "evaluations": 3,
            "ngram:order": 3,
        },
    ),
    "temporal_order": World(
        "which of two marks came first, 50 words ago",
        "gates are needed: the LSTM beats the RNN",
        lambda path, seed: worlds.temporal_order(path, seed, steps=100),
        lambda report: report["leader"].startswith("lstm") and _says(report, "Gates", "gates help"),
        "classify",
        ["rnn", "lstm:time_scale=100"],
        400,
        {
            f"{model}:{name}": value
            for model in ("rnn", "lstm")
            for name, value in {
                "embedding.dim": 16,
                "embedding.dropout": 0.0,
                "output.dropout": 0.0,
                "output.pool": "last",
                "hidden_size": 48,
                "learning_rate": 0.004,
                "evaluations": 4,
            }.items()
        },
    ),
    "autoregressive_series": World(
        "an autoregressive series of order 2",
        "an autoregression is enough, and beats the naive forecasts",
        lambda path, seed: worlds.autoregressive_series(path, seed, steps=1_200),
        lambda report: (
            _nothing_beats(report, "ar") and _says(report, "Naive forecasts", "a model beats the naive forecasts")
        ),
        "forecast",
        ["ar", "gru"],
        150,
        {
            "data.horizon": 3,
            "data.test_steps": 450,
            "data.origins": 150,
            "gru:hidden_size": 16,
            "gru:evaluations": 3,
        },
        "csv",
    ),
    "reversed_strings": World(
        "strings and their reversals",
        "attention is needed",
        lambda path, seed: worlds.reversed_strings(path, seed, pairs=1_500, lengths=(3, 10)),
        lambda report: report["leader"] == "gru+attention" and _says(report, "Attention", "attention helps"),
        "translate",
        ["gru", "gru+attention"],
        120,
        {
            "embedding.dim": 24,
            "encoder.hidden_size": 48,
            "decoder.hidden_size": 48,
            "embedding.dropout": 0.0,
            "output.dropout": 0.0,
            "output.label_smoothing": 0.0,
            "training.learning_rate": 0.01,
            "training.evaluations": 2,
            "tokenizer.kind": "character",
            "decoding.beam_size": 1,
        },
    ),
    "bag_of_words_labels": World(
        "labels that words decide, in any order",
        "a bag of words is enough: the network does not beat it",
        worlds.bag_of_words_labels,
        lambda report: _nothing_beats(report, "bow"),
        "classify",
        ["bow", "gru"],
        150,
        _SMALL_CLASSIFIERS,
    ),
    "noise_labels": World(
        "labels drawn by chance",
        "no difference",
        worlds.noise_labels,
        lambda report: not any(pair["told_apart"] for pair in report["pairs"]),
        "classify",
        ["bow", "gru", "ffnn"],
        60,
        _SMALL_CLASSIFIERS,
    ),
}
