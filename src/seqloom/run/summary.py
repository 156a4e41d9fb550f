"""What a training leaves beside its model: the scores of the best weights, its speed and memory, and the card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from seqloom.data.corpus import Corpus
from seqloom.files import write_atomic
from seqloom.memory import MemoryPeak, peak_memory_bytes
from seqloom.processors import num_threads
from seqloom.run.card import write_card
from seqloom.run.run import Run
from seqloom.training.budget import Progress


def summarise(
    run: Run, progress: Progress, corpus: Corpus[Any, Any], used: Mapping[str, float], memory: MemoryPeak
) -> None:
    """Scores the best weights on the validation and test data and writes `summary.json` and the card. `used`: the
    processor time and share of the training; `memory`: in which part of it the peak was."""
    score = run.task.score(corpus.valid)
    valid, test = run.evaluate(corpus.valid), run.evaluate(corpus.test) if corpus.test is not None else None
    memory.end("scores")
    summary = {
        "task": run.plan.task,
        "model": run.plan.model,
        "seed": run.plan.seed,
        "finished": progress.finished,
        "parameters": run.num_parameters(),
        **corpus.codec.facts(),
        "updates": progress.updates,
        "best_updates": progress.best_updates,
        "out_of_patience": progress.out_of_patience,
        "seconds": round(progress.seconds, 3),
        "targets_per_second": round(progress.targets_per_second(), 1),
        "peak_memory_bytes": peak_memory_bytes(),
        "peak_memory_in": memory.part,
        "threads": num_threads(),
        **used,
        "score": score.name,
        "lower_is_better": score.lower_is_better,
        "valid": valid,
        "test": test,
    }
    if corpus.replay is not None:
        summary["replay"] = run.evaluate(corpus.replay.valid)
    write_atomic(run.folder / "summary.json", json.dumps(summary, indent=2) + "\n")
    write_card(run, corpus)
