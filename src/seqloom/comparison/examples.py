"""The scores of single test examples of each training, kept so that a second look finds the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from seqloom.data.corpus import prepare
from seqloom.files import make_folder, writing_atomic
from seqloom.metrics.example_scores import ExampleScores
from seqloom.processors import num_threads, set_num_threads
from seqloom.run import Run, load
from seqloom.runtime import cache_folder
from seqloom.tasks.capabilities import ScoresEachExample


def example_scores(run: Path, kept: Path, threads: int) -> ExampleScores | None:
    """Of a run on the test part of its data, the validation part where there is none; `kept` is their file. None where
    the task does not give them."""
    if kept.exists():
        with np.load(kept, allow_pickle=False) as content:
            return ExampleScores(str(content["metric"]), str(content["unit"]), content["sums"])
    before, of_loops = torch.get_num_threads(), num_threads()
    try:
        scores = _score(load(run, device="cpu", threads=threads))
    finally:
        torch.set_num_threads(before)
        set_num_threads(of_loops)
    if scores is not None:
        make_folder(kept.parent)
        with writing_atomic(kept) as file:
            np.savez_compressed(file, metric=scores.metric, unit=scores.unit, sums=scores.sums)
    return scores


def _score(run: Run) -> ExampleScores | None:
    if not isinstance(run.task, ScoresEachExample):
        return None
    corpus = prepare(run.plan.sources, run.task.recipe(run.plan.settings), cache_folder())
    data = corpus.valid if corpus.test is None else corpus.test
    return run.task.example_scores(run.trained, data)
