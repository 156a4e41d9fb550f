"""Claim: the Neural Turing Machine learns the algorithms of Graves et al. 2014 from few sequences with every seed, and
what it learnt holds for longer ones.

Trains on the algorithms, several seeds each, and prints the medians: after how many sequences the bits a sequence on
held-out data first were below 1 and below 0.1, those of the best weights, and those beyond the training lengths. An
LSTM (3 x 256) sees as many sequences. All of it takes hours; `--only copy --seeds 1` takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import seqloom
from peers.race import machine, write_results


class Trial(NamedTuple):
    """`beyond`: what else the trained model is evaluated on."""

    sequences: int
    beyond: tuple[str, ...] = ()


TRIALS = {
    "copy": Trial(60_000, ("copy:length=40", "copy:length=120")),
    "repeat-copy": Trial(100_000, ("repeat-copy:length=10,repeats=20", "repeat-copy:length=20,repeats=10")),
    "associative-recall": Trial(100_000, ("associative-recall:items=12",)),
    "dynamic-n-grams": Trial(100_000),
    "priority-sort": Trial(100_000),
}


def first_below(rows: list[dict[str, Any]], bits: float) -> float:
    """Sequences seen at the first validation below, infinite where there is none."""
    return next((row["targets"] for row in rows if row["valid_bits_per_sequence"] < bits), float("inf"))


def train(name: str, model: str, sequences: int, seed: int, threads: int, folder: Path) -> dict[str, Any]:
    run = seqloom.train(
        "algorithm",
        name,
        model=model,
        sequences=sequences,
        seed=seed,
        threads=threads,
        out=folder / f"{name}-{model}-{seed}",
        settings={"training.evaluations": 120, "data.held_out": 200},
    )
    rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    test = run.summary["test"]
    found = {
        "below 1 bit": first_below(rows, 1.0),
        "below 0.1 bits": first_below(rows, 0.1),
        "bits": test["bits_per_sequence"],
        "seconds": run.summary["seconds"],
    }
    if "optimal_bits_per_sequence" in test:
        found["optimal bits"] = test["optimal_bits_per_sequence"]
    for data in TRIALS[name].beyond:
        scores = run.evaluate(data)
        found |= {f"{data} bits": scores["bits_per_sequence"], f"{data} wrong": scores["bit_errors_per_sequence"]}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(TRIALS), help="algorithms, separated by commas")
    parser.add_argument("--models", default="ntm,lstm", help="separated by commas")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="of the sequences of each algorithm")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="keeps the runs there")
    options = parser.parse_args()
    results: dict[str, Any] = {"machine": machine(options.threads)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        for name in options.only.split(","):
            for model in options.models.split(","):
                sequences = max(1, round(TRIALS[name].sequences * options.share))
                found = [
                    train(name, model, sequences, seed, options.threads, folder) for seed in range(1, options.seeds + 1)
                ]
                medians = {what: median(one[what] for one in found) for what in found[0]}
                results[f"{name} {model}"] = {"sequences": sequences, "medians": medians, "seeds": found}
                shown = ", ".join(f"{what} {value:,.5g}" for what, value in medians.items())
                print(f"{name}, {model}, medians of {options.seeds} after {sequences:,} sequences: {shown}", flush=True)
    write_results("algorithms", results)


if __name__ == "__main__":
    main()
