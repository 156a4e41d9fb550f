"""Questions on word vectors, answered on generated text of which the kinship of words is known, and on Moby Dick."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import seqloom
from questions.language import TEXT
from questions.trials import SEEDS, Answer, Variant, by_seed, judged, train_all
from questions.worlds import topic_sentences
from seqloom.training.reports import MetricsFile

_TOPICS, _WORDS = 20, 50
_NEIGHBOURS = 10
_SETTINGS = {"model.dim": 50, "tokenizer.min_count": 2}


def objectives(folder: Path) -> Answer:
    """CBOW and skip-gram: of the nearest words, how many are of the same topic, for frequent and for rare words."""
    sentences = topic_sentences(np.random.default_rng(1), 6_000, _TOPICS, _WORDS)
    path = folder / "topics.txt"
    path.write_text("".join(f"{text}\n" for _, text in sentences), encoding="utf-8")
    variants = [Variant(model, model) for model in ("cbow", "skipgram")]
    trained = train_all("vectors", str(path), variants, folder, _SETTINGS, epochs=5)
    ranks = {"frequent": range(10), "rare": range(_WORDS - 25, _WORDS)}
    shares = {
        f"{each.variant.label}, {name} words": [_same_topic(run, words) for run in each.runs]
        for each in trained
        for name, words in ranks.items()
    }
    return judged(
        {label: by_seed(label, values) for label, values in shares.items()},
        f"share of the {_NEIGHBOURS} nearest words that are of the same topic",
        False,
        "seed",
        f"6,000 generated sentences of {_TOPICS} topics with {_WORDS} words each; five epochs, three seeds",
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
    """The loss on training windows and on held-out lines, pass by pass, of vectors on a small text."""
    lines = TEXT.read_text(encoding="utf-8").splitlines()[:300]
    path = folder / "small.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = {**_SETTINGS, "model.sample": 0.0, "passes.patience": 0}
    trained = train_all("vectors", str(path), [Variant("skipgram", "skipgram")], folder, settings, epochs=30)[0]
    rows = [MetricsFile(run.folder).rows() for run in trained.runs]
    by_epoch = [[row for row in seed if "valid_loss" in row] for seed in rows]
    wanted = sorted({0, 2, 5, 11, 19, len(by_epoch[0]) - 1} & set(range(len(by_epoch[0]))))
    scores, training = {}, {}
    for number in wanted:
        label = f"after epoch {number + 1}"
        scores[label] = by_seed(label, [seed[number]["valid_loss"] for seed in by_epoch])
        training[label] = f"{np.mean([seed[number]['train_loss'] for seed in by_epoch]):.3f}"
    return judged(
        scores,
        "held-out loss",
        True,
        "seed",
        f"moby_dick.txt, its first {len(lines)} lines; skip-gram, 30 epochs, {SEEDS} seeds",
        {"training loss": training},
    )
