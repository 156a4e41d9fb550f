"""Question: what does a translator with few pairs gain that is initialised from one that learnt other pairs?

Two jobs. German inflection, 500 pairs, from a model of Spanish inflection: another language, with some of the same
names of morphological features. English image captions into German (Multi30k), 2,000 pairs, from a translator of
manuals and interface strings of free software: the same languages, other words.

With and without the earlier run, translators learn the same pairs, drawn anew for each seed, with the same number of
updates. Scores are those of the validation files, which nothing else uses.

    python benchmarks/from_run_pairs.py

Finished trainings stay in the folder of `--work`, and interrupted ones are resumed, so the script may be stopped and
run again.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from from_run import train
from peers.race import BENCHMARKS, machine, write_results
from seqloom.data.readers import readers

DATA = BENCHMARKS.parent.parent / "shared" / "data"
MODEL = "gru+attention"
SIZES: dict[str, Any] = {
    "encoder.hidden_size": 128,
    "encoder.num_layers": 1,
    "decoder.hidden_size": 128,
    "decoder.num_layers": 1,
    "embedding.dim": 128,
    "data.tokens_per_batch": 1_000,
    "training.evaluations": 5,
}


class Job(NamedTuple):
    """`earlier`: the pairs of the earlier run; `number` of `pairs` are learnt, and `test` is for the scores. `longest`:
    pairs of the earlier run with more words on a side are left out; 0: none. `rate`: the learning rate after the
    earlier run, lower than the default, so that what was learnt before is not lost."""

    earlier: str
    pairs: str
    test: str
    number: int
    score: str
    longest: int
    settings: dict[str, Any]
    rate: float = 1e-3


JOBS = {
    "inflection": Job(
        "morphology/spanish.train.tsv", "morphology/german.train.tsv", "morphology/german.valid.tsv",
        500, "exact_match", 0, SIZES,
    ),
    "captions": Job(
        "translate/software.en-de.train.tsv.gz", "translate/multi30k.en-de.train.tsv",
        "translate/multi30k.en-de.valid.tsv",
        2_000, "bleu", 12, SIZES | {"tokenizer.kind": "bpe", "tokenizer.vocab_size": 4_000},
    ),
}  # fmt: skip


def write_pairs(path: Path, pairs: Sequence[Any]) -> str:
    path.write_text("".join(f"{pair.source}\t{pair.target}\n" for pair in pairs), encoding="utf-8")
    return str(path)


def scores_of(name: str, job: Job, work: Path, minutes: float, updates: int, seeds: int) -> dict[str, list[float]]:
    """The scores of each seed with the earlier run and without it."""
    work.mkdir(parents=True, exist_ok=True)
    old = [
        pair
        for pair in readers["pairs"](str(DATA / job.earlier))
        if not job.longest or max(len(pair.source.split()), len(pair.target.split())) <= job.longest
    ]
    options: dict[str, Any] = {"model": MODEL, "settings": job.settings}
    earlier = train(
        work / "earlier", "translate", Path(write_pairs(work / "earlier.tsv", old)), minutes=minutes, **options
    )
    print(f"{name}: the earlier run has {job.score} {earlier.summary['test'][job.score]:.3g}", flush=True)
    pairs = list(readers["pairs"](str(DATA / job.pairs)))
    results: dict[str, list[float]] = {"from_run": [], "from_nothing": []}
    for seed in range(1, seeds + 1):
        data = Path(write_pairs(work / f"{seed}.tsv", random.Random(seed).sample(pairs, job.number)))
        options = {"test": str(DATA / job.test), "updates": updates, "seed": seed}
        runs = {
            "from_run": train(
                work / f"from-{seed}", "translate", data, model=MODEL, initialise_from=earlier,
                settings={**job.settings, "training.learning_rate": job.rate}, **options,
            ),
            "from_nothing": train(
                work / f"fresh-{seed}", "translate", data, model=MODEL, settings=job.settings, **options
            ),
        }  # fmt: skip
        scores = {kind: run.summary["test"][job.score] for kind, run in runs.items()}
        for kind, score in scores.items():
            results[kind].append(score)
        print(f"{name}, seed {seed}: {scores}", flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--work", type=Path, default=Path("runs") / "from_run_pairs", help="the folder of the data and the runs"
    )
    parser.add_argument("--minutes", type=float, default=4.0, help="of each earlier run")
    parser.add_argument("--updates", type=int, default=300, help="of each translator with few pairs")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if not all((DATA / file).exists() for job in JOBS.values() for file in (job.earlier, job.pairs, job.test)):
        print(f"skipped: {DATA} has not all of the pairs")
        return
    scores: dict[str, dict[str, list[float]]] = {}
    for name, job in JOBS.items():
        scores[name] = scores_of(name, job, options.work / name, options.minutes, options.updates, options.seeds)
        medians = {kind: statistics.median(values) for kind, values in scores[name].items()}
        print(f"{name}: {job.score} {medians['from_run']:.3g} for {medians['from_nothing']:.3g}", flush=True)
        measured = {
            "minutes_of_the_earlier_runs": options.minutes,
            "updates": options.updates,
            "machine": machine(1),
            "jobs": {finished: JOBS[finished]._asdict() for finished in scores},
            "scores": scores,
        }
        write_results("from_run_pairs", measured)


if __name__ == "__main__":
    main()
