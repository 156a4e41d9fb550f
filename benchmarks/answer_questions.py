"""Runs the trainings behind docs/questions.md: `python benchmarks/answer_questions.py [NAME ...]`, all without names.

Each experiment takes minutes on one core. Its scores are written to benchmarks/results/questions.json as soon as it is
done, beside those of the others; an experiment that was stopped continues where it was.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from questions import algorithms, gradients, language, sequences, sounds, vectors
from questions.trials import Experiment

RESULTS = Path(__file__).resolve().parent / "results" / "questions.json"

EXPERIMENTS: dict[str, Experiment] = {
    "stream": language.stream,
    "truncation": language.truncation,
    "noise": language.noise,
    "gates": sequences.gates,
    "families": language.families,
    "reach": gradients.reach,
    "depth": gradients.depth,
    "initial_state": language.initial_state,
    "directions": sequences.directions,
    "reversal": sequences.reversal,
    "teacher_forcing": sequences.teacher_forcing,
    "word_inputs": sequences.word_inputs,
    "objectives": vectors.objectives,
    "overfitting": vectors.overfitting,
    "turing_machine": algorithms.turing_machine,
    "batches": language.batches,
    "recognisers": sounds.recognisers,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EXPERIMENTS))
    parser.add_argument("--folder", type=Path, default=Path("runs") / "questions", help="where the runs are")
    options = parser.parse_args()
    if unknown := set(options.names) - set(EXPERIMENTS):
        parser.error(f"no experiment named {', '.join(sorted(unknown))}; there are {', '.join(EXPERIMENTS)}")
    torch.set_num_threads(1)
    for name in options.names or EXPERIMENTS:
        folder = options.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        print(name, flush=True)
        start = time.perf_counter()
        answer = EXPERIMENTS[name](folder).to_json()
        minutes = round((time.perf_counter() - start) / 60, 1)
        _save(name, {**answer, "minutes": minutes, "python": platform.python_version(), "torch": torch.__version__})
        print(f"  {minutes} minutes", flush=True)
        shutil.rmtree(folder)


def _save(name: str, answer: dict[str, Any]) -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results[name] = answer
    ordered = {known: results[known] for known in EXPERIMENTS if known in results}
    RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
