"""Claim: the Neural Turing Machine learns the algorithms of Graves et al. 2014 from few sequences with every seed, and
what it learnt holds for longer ones.

Trains on the algorithms, several seeds each, and prints the medians: after how many sequences the bits per sequence on
held-out data first were below 1 and below 0.1, those of the best weights, and those beyond the training lengths. An
LSTM (3 x 256) sees as many sequences. All of it takes many hours; `--only copy --models ntm --seeds 1` takes minutes.
Every seed is written as soon as it is done, beside those of before.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
from math import inf
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import seqloom
from peers.race import BENCHMARKS, machine, write_results


class Trial(NamedTuple):
    """`beyond`: what else the trained model is evaluated on."""

    sequences: int
    beyond: tuple[str, ...] = ()


TRIALS = {
    "copy": Trial(30_000, ("copy:length=40", "copy:length=120")),
    "repeat-copy": Trial(
        60_000,
        (
            "repeat-copy:length=10,repeats=11",
            "repeat-copy:length=10,repeats=20",
            "repeat-copy:length=20,repeats=5",
            "repeat-copy:length=20,repeats=10",
        ),
    ),
    "associative-recall": Trial(50_000, ("associative-recall:items=12",)),
    "dynamic-n-grams": Trial(160_000),
    "priority-sort": Trial(80_000),
}


def first_below(rows: list[dict[str, Any]], bits: float) -> int | None:
    """Sequences seen at the first validation below, None where there is none."""
    return next((row["targets"] for row in rows if row["valid_bits_per_sequence"] < bits), None)


def train(name: str, model: str, sequences: int, seed: int, threads: int, folder: Path) -> dict[str, Any]:
    run = seqloom.train(
        "algorithm",
        name,
        model=model,
        sequences=sequences,
        seed=seed,
        threads=threads,
        out=folder / f"{name}-{model}-{seed}-{sequences}",
        resume=True,
        settings={"training.evaluations": 120, "data.held_out": 200},
    )
    if not run.summary["finished"]:
        raise SystemExit(f"{run.folder} was stopped before its end: nothing is written of it yet")
    rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    test = run.summary["test"]
    found = {
        "below 1 bit": first_below(rows, 1.0),
        "below 0.1 bits": first_below(rows, 0.1),
        "bits": test["bits_per_sequence"],
        "wrong": test["bit_errors_per_sequence"],
        "seconds": run.summary["seconds"],
    }
    if "optimal_bits_per_sequence" in test:
        found["optimal bits"] = test["optimal_bits_per_sequence"]
    for data in TRIALS[name].beyond:
        scores = run.evaluate(data)
        found |= {f"{data} bits": scores["bits_per_sequence"], f"{data} wrong": scores["bit_errors_per_sequence"]}
    return found


def kept() -> dict[str, Any]:
    """What was measured before: a run of one algorithm replaces nothing of the others."""
    path = BENCHMARKS / "results" / "algorithms.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def add(name: str, model: str, sequences: int, seed: int, found: dict[str, Any], threads: int) -> dict[str, Any]:
    """Writes one seed's figures beside those of other seeds after as many sequences; gives all of them."""
    results = kept()
    before = results.get(f"{name} {model}", {})
    seeds = before.get("seeds", {}) if before.get("sequences") == sequences else {}
    seeds = dict(sorted((seeds | {str(seed): found}).items(), key=lambda one: int(one[0])))
    shared = [what for what in found if all(what in one for one in seeds.values())]
    middles = {what: median(_number(one[what]) for one in seeds.values()) for what in shared}
    medians = {what: None if value == inf else value for what, value in middles.items()}
    entry = {"sequences": sequences, "machine": machine(threads), "medians": medians, "seeds": seeds}
    write_results("algorithms", results | {f"{name} {model}": entry})
    return entry


def _number(value: float | None) -> float:
    """None, for never, is what JSON can hold."""
    return inf if value is None else value


def _shown(figures: dict[str, Any]) -> str:
    return ", ".join(f"{what} {'never' if value is None else f'{value:,.5g}'}" for what, value in figures.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(TRIALS), help="algorithms, separated by commas")
    parser.add_argument("--models", default="ntm,lstm", help="separated by commas")
    parser.add_argument("--seeds", default="1,2,3,4,5", help="separated by commas")
    parser.add_argument("--sequences", type=int, default=0, help="other than each algorithm's own count")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="keep the runs there, and resume those that were stopped")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        for name, model in itertools.product(options.only.split(","), options.models.split(",")):
            sequences = options.sequences or TRIALS[name].sequences
            for seed in map(int, options.seeds.split(",")):
                found = train(name, model, sequences, seed, options.threads, folder)
                print(f"{name}, {model}, seed {seed}, {sequences:,} sequences: {_shown(found)}", flush=True)
                entry = add(name, model, sequences, seed, found, options.threads)
            print(f"{name}, {model}, medians of {len(entry['seeds'])} seeds: {_shown(entry['medians'])}", flush=True)


if __name__ == "__main__":
    main()
