"""The trainer of models that are fitted in one pass or in closed form, such as n-grams."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from seqloom.data.corpus import Corpus
from seqloom.models.fitted import FittedInOnePass
from seqloom.runtime import Processes, Runtime, SingleProcess, processes_of
from seqloom.tasks.capabilities import Trained
from seqloom.tasks.measure import measure
from seqloom.tasks.task import Task
from seqloom.training.budget import Budget, Progress
from seqloom.training.trainer import Schedule, Trainer


class OnePassTrainer(Trainer):
    """Fits `model` in a single step, whatever the budget. If interrupted, it leaves no model and has to start again.

    The first process fits and saves; then every process opens the saved model, so that memory-mapped arrays are in
    memory only once.
    """

    resumable: ClassVar[bool] = False

    def __init__(self, task: Task, model: FittedInOnePass, settings: Any) -> None:
        self.task, self.model, self.settings = task, model, settings
        self.processes: Processes = SingleProcess()

    def start(self, *, device: str, threads: int, seed: int, training: bool) -> None:
        if not self.model.uses_torch:
            self.runtime = Runtime.of_loops(device=device, threads=threads, seed=seed)
            if training:
                self.runtime.check_single_process()
            return
        self.runtime = Runtime.start(device=device, precision="float32", threads=threads, seed=seed)
        if training:
            self.processes = processes_of(self.runtime)

    def build(self, corpus: Corpus[Any, Any], seed: int, folder: Path) -> FittedInOnePass:  # noqa: ARG002
        self.corpus, self.folder = corpus, folder
        self.trained = Trained(self.model, corpus.codec, self.settings)
        self.score = self.task.score(corpus.valid)
        return self.model

    def schedule(self, budget: Budget) -> Schedule:  # noqa: ARG002
        return Schedule(Budget(epochs=1))

    def num_steps(self, epoch: int) -> int:  # noqa: ARG002
        return 1

    def step(self, progress: Progress, fraction: float) -> None:  # noqa: ARG002
        if self.runtime.rank == 0:
            self.model.fit(self.corpus.train, self.corpus.valid, self.corpus.codec)
            self.model.save(self.folder)
        self.processes.barrier()
        self.open(self.folder)
        progress.targets, progress.sequences = len(self.corpus.train), self.corpus.train.num_lines
        progress.next_step(1)

    def measure(self) -> dict[str, Any]:
        return measure(self.task, self.trained, self.corpus.valid, self.runtime.device, brief=True)

    def save(self, folder: Path) -> None:
        """Does nothing, since `step` has saved the model."""

    def open(self, folder: Path) -> FittedInOnePass:
        self.model.open(folder)
        if self.model.uses_torch:
            module: Any = self.model
            module.to(self.runtime.device).eval()
        return self.model
