"""The score of every test example under each training, computed once and saved in the folder of the comparison."""

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


def example_scores(run: Path, file: Path, threads: int) -> ExampleScores | None:
    """The scores of a run on the test split of its data, or on the validation split if there is no test split. They are
    read from `file` if it exists, and saved there otherwise. None if the task has no scores of single examples."""
    if file.exists():
        with np.load(file, allow_pickle=False) as content:
            return ExampleScores(str(content["metric"]), str(content["unit"]), content["sums"])
    torch_threads, loop_threads = torch.get_num_threads(), num_threads()
    try:
        scores = _score(load(run, device="cpu", threads=threads))
    finally:
        torch.set_num_threads(torch_threads)
        set_num_threads(loop_threads)
    if scores is not None:
        make_folder(file.parent)
        with writing_atomic(file) as stream:
            np.savez_compressed(stream, metric=scores.metric, unit=scores.unit, sums=scores.sums)
    return scores


def _score(run: Run) -> ExampleScores | None:
    if not isinstance(run.task, ScoresEachExample):
        return None
    corpus = prepare(run.plan.sources, run.task.recipe(run.plan.settings), cache_folder())
    data = corpus.valid if corpus.test is None else corpus.test
    return run.task.example_scores(run.trained, data)
