"""Training of the models that count: fitted in one go. The folder is that of a training, with one row of metrics."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from seqloom.data.corpus import Corpus
from seqloom.data.text import TextCodec
from seqloom.data.token_file import TokenFile
from seqloom.models.counted import CountBased
from seqloom.run.plan import Plan
from seqloom.runtime import Runtime
from seqloom.tasks.capabilities import Trained
from seqloom.tasks.network_task import NetworkTask, evaluate
from seqloom.tasks.task import Task
from seqloom.training.alone import SingleProcess
from seqloom.training.budget import Progress
from seqloom.training.progress import Display, MetricsFile
from seqloom.training.ranks import make_fabric


class FitInOnePass:
    """Fits on the first rank, saves, and opens what was saved on every rank: what is memory-mapped is there once.

    Stopped at any moment, it leaves no model; to resume is to begin anew.
    """

    def __init__(self, model: CountBased, task: Task, plan: Plan, folder: Path, device: str, threads: int) -> None:
        assert isinstance(task, NetworkTask)
        self.model, self.task, self.plan, self.folder = model, task, plan, folder
        self.runtime = Runtime.start(device=device, threads=threads, seed=plan.seed)
        self.ranks: Any = SingleProcess() if self.runtime.world_size == 1 else make_fabric(self.runtime)

    def rank_zero_first(self) -> AbstractContextManager[None]:
        return self.ranks.rank_zero_first()

    def barrier(self) -> None:
        self.ranks.barrier()

    def build(self, corpus: Corpus[Any, Any]) -> CountBased:
        assert isinstance(corpus.codec, TextCodec)
        self.codec = corpus.codec
        self.train: TokenFile = corpus.train
        self.valid: TokenFile = corpus.valid
        return self.model

    def run(self, display: Display, resume: bool) -> Progress:  # noqa: ARG002
        started = time.monotonic()
        if self.runtime.rank == 0:
            self.model.fit(self.train, self.valid, self.codec.tokenizer.vocab_size)
            self.model.save(self.folder)
        self.barrier()
        self.model.open(self.folder)
        self.model.eval()
        progress = Progress(epoch=1, targets=len(self.train), sequences=self.train.num_lines, finished=True)
        fitted = time.monotonic()
        trained = Trained(self.model, self.codec, self.plan.settings)
        scores = evaluate(self.task, trained, self.valid, self.runtime.device, brief=True)
        progress.all_evaluations_seconds = time.monotonic() - fitted
        progress.seconds = time.monotonic() - started
        score = self.task.score(self.valid).name
        progress.best = scores[score]
        row = {
            "updates": 0,
            "epoch": 1.0,
            "seconds": round(progress.seconds, 3),
            "targets": progress.targets,
            "targets_per_second": round(progress.targets_per_second(), 1),
            **{f"valid_{name}": value for name, value in scores.items()},
        }
        if self.runtime.rank == 0:
            metrics = MetricsFile(self.folder / "metrics.jsonl")
            metrics.keep_until(-1)
            metrics.add(row)
        display.evaluated(1.0, {score: progress.best} | scores, row)
        return progress


def open_counted(model: CountBased, folder: Path, runtime: Runtime) -> CountBased:
    """That of a run's folder."""
    model.open(folder)
    return model.to(runtime.device).eval()
