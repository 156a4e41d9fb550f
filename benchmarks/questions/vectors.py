"""Questions on word vectors, answered on generated text whose topics are known, and on Moby Dick."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

import seqloom
from questions.moby_dick import first_lines
from questions.trials import SEEDS, Answer, Chart, Line, Variant, by_seed, measured, point, train_all
from questions.worlds import topic_sentences
from seqloom.training.reports import MetricsFile

_TOPICS, _WORDS = 20, 50
_SENTENCES = (1_000, 2_000, 4_000, 8_000)
_NEIGHBOURS = 10
_LINES = 300
_SETTINGS = {"model.dim": 50, "tokenizer.min_count": 2}


def objectives(folder: Path) -> Answer:
    """CBOW and skip-gram: of the nearest words, how many are of the same topic, for frequent and for rare words."""
    ranks = {"frequent words": range(10), "rare words": range(_WORDS - 25, _WORDS)}
    models = ("cbow", "skipgram")
    shares: dict[str, dict[int, list[float]]] = {f"{model}, {name}": {} for name in ranks for model in models}
    for number in _SENTENCES:
        sentences = topic_sentences(np.random.default_rng(1), number, _TOPICS, _WORDS)
        path = folder / f"{number}.txt"
        path.write_text("".join(f"{text}\n" for _, text in sentences), encoding="utf-8")
        variants = [Variant(model, model) for model in models]
        for each in train_all("vectors", str(path), variants, folder / f"runs{number}", _SETTINGS, epochs=5):
            for name, words in ranks.items():
                shares[f"{each.label}, {name}"][number] = [_same_topic(run, words) for run in each.runs]
    few, many = _SENTENCES[1], _SENTENCES[-1]
    scores = [
        by_seed(f"{label}, {number:,} sentences", values[number])
        for number in (few, many)
        for label, values in shares.items()
    ]
    contrasts = [
        (f"skipgram, {name}, {number:,} sentences", f"cbow, {name}, {number:,} sentences")
        for number in (few, many)
        for name in ranks
    ]
    lines = [Line(label, [point(n, by_seed(label, shares)) for n, shares in values.items()])
             for label, values in shares.items()]  # fmt: skip
    return measured(
        scores,
        contrasts,
        "share of neighbours of the same topic",
        False,
        "seed",
        f"Generated sentences of {_TOPICS} topics with {_WORDS} words each; five epochs, three seeds; of the "
        f"{_NEIGHBOURS} nearest words of each word, the share that is of its topic",
        chart=Chart("sentences", "share of the same topic", lines, log_x=True),
    )


def _same_topic(run: seqloom.Run, ranks: range) -> float:
    vectors = seqloom.Vectors.open(run.folder)
    shares = []
    for topic in range(_TOPICS):
        for rank in ranks:
            if (word := f"t{topic}w{rank}") in vectors:
                nearest = [name for name, _ in vectors.similar(word, _NEIGHBOURS)]
                shares.append(sum(name.startswith(f"t{topic}w") for name in nearest) / len(nearest))
    return float(np.mean(shares))


def overfitting(folder: Path) -> Answer:
    """The loss on training windows and on held-out lines, epoch by epoch, of vectors on a small text."""
    data = first_lines(_LINES, folder)
    settings = {**_SETTINGS, "model.sample": 0.0, "passes.patience": 0}
    trained = train_all("vectors", data, [Variant("skipgram", "skipgram")], folder, settings, epochs=60)[0]
    evaluations = [
        [row for row in MetricsFile(run.folder).rows() if "valid_nats_per_pair" in row] for run in trained.runs
    ]
    epochs = range(min(map(len, evaluations)))
    losses = {"training windows": "train_loss", "held-out lines": "valid_nats_per_pair"}
    by_epoch = {
        name: [by_seed(name, [rows[epoch][loss] for rows in evaluations]) for epoch in epochs]
        for name, loss in losses.items()
    }
    lowest = min(epochs, key=lambda epoch: by_epoch["held-out lines"][epoch].mean)
    moments = {"best epoch": lowest, "last epoch": epochs[-1]}
    scores = {
        f"{name}, {moment}": replace(series[epoch], model=f"{name}, {moment}")
        for name, series in by_epoch.items()
        for moment, epoch in moments.items()
    }
    return measured(
        list(scores.values()),
        [
            ("held-out lines, best epoch", "held-out lines, last epoch"),
            ("training windows, last epoch", "training windows, best epoch"),
        ],
        "loss, nats per pair of words",
        True,
        "seed",
        f"On moby_dick.txt, its first {_LINES} lines; skip-gram, 60 epochs (the best one: {lowest + 1}), {SEEDS} seeds",
        chart=Chart(
            "epoch",
            "nats per pair of words",
            [
                Line(name, [point(epoch + 1, scores) for epoch, scores in enumerate(series)])
                for name, series in by_epoch.items()
            ],
        ),
    )
