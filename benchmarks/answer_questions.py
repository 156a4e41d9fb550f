"""Runs the trainings behind docs/questions.md: `python benchmarks/answer_questions.py [NAME ...]`, all
without names.

Each question takes a few minutes on one core. Its table is written to benchmarks/results/questions.json as soon as it
is done, beside those of the others; a question that was stopped continues where it was.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import time
from pathlib import Path

import torch

from questions import algorithms, gradients, language, sequences, vectors
from questions.trials import Question

RESULTS = Path(__file__).resolve().parent / "results" / "questions.json"

QUESTIONS: dict[str, Question] = {
    "reach": gradients.reach,
    "gates": sequences.gates,
    "families": language.families,
    "truncation": language.truncation,
    "initial_state": language.initial_state,
    "batches": language.batches,
    "reversal": sequences.reversal,
    "teacher_forcing": sequences.teacher_forcing,
    "directions": sequences.directions,
    "word_inputs": sequences.word_inputs,
    "objectives": vectors.objectives,
    "overfitting": vectors.overfitting,
    "memory": algorithms.memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(QUESTIONS))
    parser.add_argument("--folder", type=Path, default=Path("runs") / "questions", help="where the runs are")
    options = parser.parse_args()
    if unknown := set(options.names) - set(QUESTIONS):
        parser.error(f"no question named {', '.join(sorted(unknown))}; there are {', '.join(QUESTIONS)}")
    torch.set_num_threads(1)
    for name in options.names or QUESTIONS:
        folder = options.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        print(name, flush=True)
        start = time.perf_counter()
        answer = QUESTIONS[name](folder)
        answer["minutes"] = round((time.perf_counter() - start) / 60, 1)
        answer["machine"] = {"python": platform.python_version(), "torch": torch.__version__}
        _save(name, answer)
        print(f"  {answer['verdict']}\n  {answer['minutes']} minutes", flush=True)
        shutil.rmtree(folder)


def _save(name: str, answer: dict[str, object]) -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results[name] = answer
    ordered = {known: results[known] for known in QUESTIONS if known in results}
    RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
