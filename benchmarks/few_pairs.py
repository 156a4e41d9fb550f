"""Question: how many more words does a translator of letters that has 500 pairs inflect where the stems of its training
pairs get random letters (`data.hallucinate`; Anastasopoulos and Neubig 2019)?

German and Turkish of SIGMORPHON 2016, task 1. For each seed, 500 of the training pairs are drawn. With and
without, in turns, the same model has as many updates, each at the learning rate that was better for it (German, seed
1). Every fifth pair of the validation file chooses the weights; the scores are those of the others: exact match of
greedy search.

    python benchmarks/few_pairs.py

Finished trainings stay in the folder of `--work`, and interrupted ones are resumed, so the script may be stopped and
run again.
"""

from __future__ import annotations

import random
import statistics
from pathlib import Path
from typing import Any

from peers.race import BENCHMARKS, Result, machine, write_results
from resumable import arguments, train
from seqloom.files import read_lines

DATA = BENCHMARKS.parent.parent / "shared" / "data" / "morphology"
LANGUAGES = ("german", "turkish")
MODEL, PAIRS = "lstm+attention", 500
SETTINGS: dict[str, Any] = {
    "embedding.dim": 128,
    "encoder.hidden_size": 128,
    "decoder.hidden_size": 128,
    "data.tokens_per_batch": 1_000,
    "training.evaluations": 4,
    "decoding.beam_size": 1,
}
LEARNING_RATES = {0.0: 2e-3, 0.8: 4e-3}
"""By the share of the training pairs whose stems get random letters. Without them the higher rate learns the pairs by
heart."""


def write_data(data: Path, work: Path, language: str, seeds: int) -> None:
    """The training pairs of each seed, and the two parts of the validation file."""
    train_pairs, held_out = (list(read_lines(data / f"{language}.{part}.tsv")) for part in ("train", "valid"))
    parts = {f"{seed}": random.Random(seed).sample(train_pairs, PAIRS) for seed in range(1, seeds + 1)}
    parts |= {"valid": held_out[::5], "test": [line for i, line in enumerate(held_out) if i % 5]}
    for name, lines in parts.items():
        (work / f"{language}-{name}.tsv").write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def score(work: Path, language: str, share: float, seed: int, updates: int) -> Result:
    """Exact match, nats per token and seconds of a training."""
    run = train(
        work / f"{language}-{share}-{seed}", "translate", work / f"{language}-{seed}.tsv", model=MODEL,
        valid=str(work / f"{language}-valid.tsv"), test=str(work / f"{language}-test.tsv"), updates=updates, seed=seed,
        settings=SETTINGS | {"data.hallucinate": share, "training.learning_rate": LEARNING_RATES[share]},
    )  # fmt: skip
    names = ("exact_match", "nats_per_token")
    return {**{name: run.summary["test"][name] for name in names}, "seconds": run.summary["processor_seconds"]}


def main() -> None:
    parser = arguments(__doc__, "few_pairs", updates=1_000)
    parser.add_argument(
        "--data", type=Path, default=DATA, help="the folder of LANGUAGE.train.tsv and LANGUAGE.valid.tsv"
    )
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    options = parser.parse_args()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    absent = [name for name in options.languages if not (options.data / f"{name}.train.tsv").exists()]
    if absent:
        print(f"skipped: {options.data} has no {absent[0]}.train.tsv")
        return
    for language in options.languages:
        write_data(options.data, work, language, options.seeds)
    scores: dict[str, dict[str, list[Result]]] = {}
    for seed in range(1, options.seeds + 1):
        for language in options.languages:
            for share in LEARNING_RATES:
                result = score(work, language, share, seed, options.updates)
                scores.setdefault(language, {}).setdefault(str(share), []).append(result)
                print(f"{language}, {share:.0%} hallucinated, seed {seed}: {result}", flush=True)
    medians = {
        language: {share: statistics.median(row["exact_match"] for row in rows) for share, rows in shares.items()}
        for language, shares in scores.items()
    }
    for language, by_share in medians.items():
        print(f"{language}: " + ", ".join(f"{float(share):.0%}: {value:.3f}" for share, value in by_share.items()))
    write_results(
        "few_pairs",
        {
            "data": "SIGMORPHON 2016, task 1",
            "model": MODEL,
            "pairs": PAIRS,
            "updates": options.updates,
            "settings": SETTINGS,
            "learning_rates": {str(share): rate for share, rate in LEARNING_RATES.items()},
            "machine": machine(1),
            "scores": scores,
            "medians": medians,
        },
    )


if __name__ == "__main__":
    main()
