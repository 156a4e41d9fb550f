"""Training of the models that are fitted in closed form, without torch: one step, whatever the budget is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from seqloom.data.corpus import Corpus
from seqloom.models.fitted import FittedInOnePass
from seqloom.run.plan import Plan
from seqloom.runtime import Runtime
from seqloom.tasks.capabilities import ScoresWithoutBatches, Trained
from seqloom.tasks.task import Task
from seqloom.training.alone import SingleProcess
from seqloom.training.budget import Progress
from seqloom.training.progress import Display, MetricsFile


class FitInClosedForm(SingleProcess):
    """Fits `model` and saves it. Stopped at any moment, it leaves no model; to resume is to begin anew."""

    def __init__(self, model: FittedInOnePass, task: Task, plan: Plan, folder: Path, runtime: Runtime) -> None:
        self.model, self.task, self.plan, self.folder, self.runtime = model, task, plan, folder, runtime

    def build(self, corpus: Corpus[Any, Any]) -> FittedInOnePass:
        self.corpus = corpus
        return self.model

    def run(self, display: Display, resume: bool) -> Progress:  # noqa: ARG002
        assert isinstance(self.task, ScoresWithoutBatches)
        started, corpus = time.monotonic(), self.corpus
        self.model.fit(corpus.train, corpus.valid, corpus.codec)
        self.model.save(self.folder)
        self.model.open(self.folder)
        progress = Progress(epoch=1, targets=len(corpus.train), sequences=corpus.train.num_lines, finished=True)
        fitted = time.monotonic()
        scores = self.task.measure(Trained(self.model, corpus.codec, self.plan.settings), corpus.valid)
        progress.all_evaluations_seconds = time.monotonic() - fitted
        progress.seconds = time.monotonic() - started
        score = self.task.score(corpus.valid).name
        progress.best = scores[score]
        row = {
            "updates": 0,
            "epoch": 1.0,
            "seconds": round(progress.seconds, 3),
            "targets": progress.targets,
            "targets_per_second": round(progress.targets_per_second(), 1),
            **{f"valid_{name}": value for name, value in scores.items()},
        }
        metrics = MetricsFile(self.folder / "metrics.jsonl")
        metrics.keep_until(-1)
        metrics.add(row)
        display.evaluated(1.0, {score: scores[score]} | scores, row)
        return progress
