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

import random
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from peers.race import BENCHMARKS, Result, machine, write_results
from resumable import arguments, train
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
    "training.learning_rate": 2e-3,
}
FROM_A_RUN: dict[str, Any] = {"training.learning_rate": 1e-3}
"""A lower rate than at random, where it is 0.002, so that what was learnt before is not lost."""


class Job(NamedTuple):
    """`earlier`: the pairs of the earlier run; `number` of `pairs` are learnt, and `test` is for the scores. `longest`:
    pairs of the earlier run with more words on a side are left out; 0: none."""

    earlier: str
    pairs: str
    test: str
    number: int
    score: str
    longest: int
    settings: dict[str, Any]


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


def scores_of(name: str, job: Job, work: Path, minutes: float, updates: int, seeds: int) -> Result:
    """The score of the earlier run on its own pairs, and those of each seed from it and at random."""
    work.mkdir(parents=True, exist_ok=True)
    old = [
        pair
        for pair in readers["pairs"](str(DATA / job.earlier))
        if not job.longest or max(len(pair.source.split()), len(pair.target.split())) <= job.longest
    ]
    earlier = train(
        work / "earlier", "translate", Path(write_pairs(work / "earlier.tsv", old)), model=MODEL, minutes=minutes,
        settings=job.settings,
    )  # fmt: skip
    scores: Result = {"earlier": earlier.summary["test"][job.score], "from_run": [], "from_nothing": []}
    print(f"{name}: the earlier run has {job.score} {scores['earlier']:.3g}", flush=True)
    pairs = list(readers["pairs"](str(DATA / job.pairs)))
    for seed in range(1, seeds + 1):
        data = Path(write_pairs(work / f"{seed}.tsv", random.Random(seed).sample(pairs, job.number)))
        options: dict[str, Any] = {"model": MODEL, "test": str(DATA / job.test), "updates": updates, "seed": seed}
        runs = {
            "from_run": train(
                work / f"from-{seed}", "translate", data, initialise_from=earlier, settings=job.settings | FROM_A_RUN,
                **options,
            ),
            "from_nothing": train(work / f"fresh-{seed}", "translate", data, settings=job.settings, **options),
        }  # fmt: skip
        for kind, run in runs.items():
            scores[kind].append(run.summary["test"][job.score])
        print(f"{name}, seed {seed}: { ({kind: scores[kind][-1] for kind in runs}) }", flush=True)
    return scores


def main() -> None:
    parser = arguments(__doc__, "from_run_pairs", updates=300)
    parser.add_argument("--minutes", type=float, default=4.0, help="of each earlier run")
    options = parser.parse_args()
    if not all((DATA / file).exists() for job in JOBS.values() for file in (job.earlier, job.pairs, job.test)):
        print(f"skipped: {DATA} has not all of the pairs")
        return
    scores: dict[str, Result] = {}
    for name, job in JOBS.items():
        scores[name] = scores_of(name, job, options.work / name, options.minutes, options.updates, options.seeds)
        medians = [statistics.median(scores[name][kind]) for kind in ("from_run", "from_nothing")]
        print(f"{name}: {job.score} {medians[0]:.3g} for {medians[1]:.3g}", flush=True)
        measured = {
            "minutes_of_the_earlier_runs": options.minutes,
            "updates": options.updates,
            "from_run": FROM_A_RUN,
            "machine": machine(1),
            "jobs": {finished: JOBS[finished]._asdict() for finished in scores},
            "scores": scores,
        }
        write_results("from_run_pairs", measured)


if __name__ == "__main__":
    main()
