"""The score of every test example under each training, computed once and saved in the folder of the comparison."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqloom.data.corpus import prepare
from seqloom.errors import warn
from seqloom.files import NPZ_ERRORS, make_folder, writing_atomic
from seqloom.metrics.example_scores import ExampleScores
from seqloom.processors import num_threads, set_num_threads
from seqloom.run import Run, load
from seqloom.runtime import cache_folder
from seqloom.tasks.capabilities import ScoresEachExample


def example_scores(run: Path, file: Path, threads: int) -> ExampleScores | None:
    """The scores of a run on the test split of its data, or on the validation split if there is no test split. They are
    read from `file` if it exists, and saved there otherwise. None if the task has no scores of single examples."""
    saved = read_example_scores(file)
    if saved is not None:
        return saved
    with opened(run, threads) as loaded:
        scores = score_examples(loaded, held_out(loaded))
    if scores is not None:
        save_example_scores(scores, file)
    return scores


def read_example_scores(file: Path) -> ExampleScores | None:
    """The scores that were saved; None if there are none, or if the file is damaged, of which it warns."""
    if not file.exists():
        return None
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            overlap = int(content["overlap"]) if "overlap" in content else 1  # older comparisons do not have it
            groups = content["groups"].tolist() if "groups" in content else None
            return ExampleScores(str(content["metric"]), str(content["unit"]), content["sums"], overlap, groups)
    except NPZ_ERRORS as error:
        warn("saved scores are damaged: they are computed again", where=str(file), got=str(error)[:200])
        return None


def save_example_scores(scores: ExampleScores, file: Path) -> None:
    make_folder(file.parent)
    arrays = {name: value for name, value in vars(scores).items() if value is not None}
    with writing_atomic(file) as stream:
        np.savez_compressed(stream, **arrays)


@contextmanager
def opened(run: Path, threads: int) -> Iterator[Run]:
    """A run on the CPU; restores this process's number of threads at the end."""
    torch_threads, loop_threads = torch.get_num_threads(), num_threads()
    try:
        yield load(run, device="cpu", threads=threads)
    finally:
        torch.set_num_threads(torch_threads)
        set_num_threads(loop_threads)


def held_out(run: Run) -> Any:
    """The test split of a run's data, or the validation split if there is no test split."""
    corpus = prepare(run.plan.sources, run.task.recipe(run.plan.settings), cache_folder())
    return corpus.valid if corpus.test is None else corpus.test


def score_examples(run: Run, data: Any) -> ExampleScores | None:
    """None if the task has no scores of single examples."""
    return run.task.example_scores(run.trained, data) if isinstance(run.task, ScoresEachExample) else None
