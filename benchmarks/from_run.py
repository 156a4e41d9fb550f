"""Claim: with 200 labels, an LSTM initialised from a language model of unlabelled reviews is at least 5 points better
than one initialised at random. The bag of words stands beside both.

The language model reads the reviews of IMDB's training part without their labels. From it and from nothing, classifiers
learn 50, 200 and 1,000 of the labels, drawn anew for each seed, half of them positive. Both have the same budget of
updates, hold out examples of their own for validation, and are tested on the same 1,994 reviews.

    python benchmarks/from_run.py

Finished trainings stay in the folder of `--work`, and interrupted ones are resumed, so the script may be stopped and
run again.
"""

from __future__ import annotations

import gzip
import random
import statistics
from pathlib import Path
from typing import Any

import seqloom
from peers.race import BENCHMARKS, machine, write_results
from resumable import arguments, train

DATA = BENCHMARKS.parent.parent / "shared" / "data" / "classify"
SIZES = (50, 200, 1_000)
TOKENIZER = {"tokenizer.lowercase": True, "tokenizer.punctuation": True, "tokenizer.vocab_size": 20_000}
LANGUAGE_MODEL = {
    **TOKENIZER,
    "embedding.dim": 200,
    "model.hidden_size": 256,
    "data.batch_size": 32,
    "data.horizon": 50,
    "training.evaluations": 4,
}
CLASSIFIER: dict[str, Any] = {"data.max_length": 256, "training.evaluations": 10}
FROM_A_RUN: dict[str, Any] = {"training.learning_rate": 1e-3}
"""A lower rate than from nothing, where it is 0.003, so that what was learnt before is not lost."""


def write_data(work: Path, seeds: int) -> None:
    """The reviews without labels, the labelled examples of each size and seed, and the test part."""
    with gzip.open(DATA / "imdb.train.tsv.gz", "rt", encoding="utf-8") as stream:
        rows = [line.rstrip("\n") for line in stream]
    random.Random(0).shuffle(rows)
    (work / "reviews.txt").write_text("".join(row.split("\t", 1)[1] + "\n" for row in rows), encoding="utf-8")
    by_label = {label: [row for row in rows if row.startswith(label)] for label in ("negative", "positive")}
    for seed in range(1, seeds + 1):
        for size in SIZES:
            rng = random.Random(seed)
            labelled = [row for part in by_label.values() for row in rng.sample(part, size // 2)]
            rng.shuffle(labelled)
            (work / f"{size}-{seed}.tsv").write_text("".join(row + "\n" for row in labelled), encoding="utf-8")
    with gzip.open(DATA / "imdb.valid.tsv.gz", "rb") as stream:
        (work / "test.tsv").write_bytes(stream.read())


def accuracies(work: Path, size: int, seed: int, updates: int, earlier: seqloom.Run) -> dict[str, float]:
    """On the test part: of the LSTM from the language model, of the same from nothing, and of the bag of words."""
    data = work / f"{size}-{seed}.tsv"
    options: dict[str, Any] = {"test": str(work / "test.tsv"), "updates": updates, "seed": seed}
    runs = {
        "from_run": train(
            work / f"from-{size}-{seed}", "classify", data, model="lstm", initialise_from=earlier,
            settings=CLASSIFIER | FROM_A_RUN, **options,
        ),
        "from_nothing": train(
            work / f"fresh-{size}-{seed}", "classify", data, model="lstm", settings=CLASSIFIER, **options
        ),
        "bag_of_words": train(work / f"bag-{size}-{seed}", "classify", data, model="bow", **options),
    }  # fmt: skip
    return {name: run.summary["test"]["accuracy"] for name, run in runs.items()}


def main() -> None:
    parser = arguments(__doc__, "from_run", updates=300)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the language model")
    options = parser.parse_args()
    if not (DATA / "imdb.train.tsv.gz").exists():
        print(f"skipped: {DATA} has no imdb.train.tsv.gz")
        return
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "test.tsv").exists():
        write_data(work, options.seeds)
    earlier = train(
        work / "language-model", "language-model", work / "reviews.txt", model="lstm", minutes=options.minutes,
        settings=LANGUAGE_MODEL,
    )  # fmt: skip
    print(f"language model: perplexity {earlier.summary['test']['perplexity']:.1f}", flush=True)
    results: dict[int, list[dict[str, float]]] = {size: [] for size in SIZES}
    for seed in range(1, options.seeds + 1):
        for size in (200, 50, 1_000):
            scores = accuracies(work, size, seed, options.updates, earlier)
            results[size].append(scores)
            print(f"{size:5,} labels, seed {seed}: {scores}", flush=True)
    medians = {
        size: {name: statistics.median(row[name] for row in rows) for name in rows[0]} for size, rows in results.items()
    }
    for size, scores in medians.items():
        gain = 100 * (scores["from_run"] - scores["from_nothing"])
        accuracy = ", ".join(f"{name} {value:.1%}" for name, value in scores.items())
        print(f"{size:5,} labels: {accuracy}; from a run {gain:+.1f} points")
    write_results(
        "from_run",
        {
            "data": "IMDB",
            "minutes_of_the_language_model": options.minutes,
            "perplexity": earlier.summary["test"]["perplexity"],
            "updates": options.updates,
            "machine": machine(1),
            "settings": {"language_model": LANGUAGE_MODEL, "classifier": CLASSIFIER, "from_run": FROM_A_RUN},
            "accuracy": {str(size): rows for size, rows in results.items()},
            "medians": {str(size): scores for size, scores in medians.items()},
        },
    )


if __name__ == "__main__":
    main()
