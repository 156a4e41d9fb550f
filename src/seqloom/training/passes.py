"""The trainer of models that compiled loops fit by several passes over the data, such as word vectors; without
torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqloom.compiling import give_back_compiler
from seqloom.data.corpus import Corpus
from seqloom.errors import SeqloomError
from seqloom.memory import return_memory_when_freed
from seqloom.models.fitted import FittedByPasses, PassSettings
from seqloom.runtime import Runtime, SingleProcess
from seqloom.storage.arrays import Entry, array_entries, map_arrays
from seqloom.tasks.capabilities import Trained
from seqloom.tasks.measure import measure
from seqloom.tasks.task import Task
from seqloom.training.budget import Budget, Progress
from seqloom.training.trainer import Schedule, Trainer


class PassTrainer(Trainer):
    """Fits `model` part by part and evaluates it after each pass."""

    def __init__(self, task: Task, model: FittedByPasses, settings: Any) -> None:
        self.task, self.model, self.settings = task, model, settings
        self.processes = SingleProcess()

    def start(self, *, device: str, threads: int, seed: int, training: bool) -> None:
        self.runtime = Runtime.of_loops(device=device, threads=threads, seed=seed)
        if training:
            self.runtime.check_single_process()
            return_memory_when_freed()
            give_back_compiler()

    def build(self, corpus: Corpus[Any, Any], seed: int, folder: Path) -> FittedByPasses:
        self.train, self.valid = corpus.train, corpus.valid
        self.trained = Trained(self.model, corpus.codec, self.settings)
        self.score = self.task.score(self.valid)
        self.model.begin(corpus.train, corpus.codec, seed)
        if self.initial is not None and self.initial.checkpoint is None:
            self.taken = self.model.begin_from(self.initial.weights_file().parent)
        elif self.initial is not None:
            self.model.begin_again(folder)
        give_back_compiler()  # all loops are compiled now
        return self.model

    def schedule(self, budget: Budget) -> Schedule:
        passes: PassSettings = self.settings.passes
        return Schedule(budget, patience=passes.patience, checkpoint_seconds=passes.checkpoint_seconds)

    def num_steps(self, epoch: int) -> int:  # noqa: ARG002
        return self.model.num_steps()

    def step(self, progress: Progress, fraction: float) -> None:
        if not progress.step:
            progress.recent_loss = [0.0, 0.0]  # the loss of this pass
        loss, count = self.model.step(progress.epoch, progress.step, fraction)
        if not math.isfinite(loss):
            raise SeqloomError(
                "the loss is no longer a finite number",
                where=f"pass {progress.epoch + 1}",
                got=loss,
                hint="a lower model.learning_rate may help; --resume starts from the last checkpoint, if there is one",
            )
        progress.recent_loss = [progress.recent_loss[0] + loss, progress.recent_loss[1] + count]
        self._count(progress)

    def _count(self, progress: Progress) -> None:
        """Counts a step. The share of the pass that it read follows from the steps' equal sizes, except for the
        last."""
        steps, targets = self.model.num_steps(), len(self.train)
        progress.targets = progress.epoch * targets + min(-(-targets // steps) * (progress.step + 1), targets)
        progress.updates += 1
        progress.next_step(steps)
        progress.sequences = progress.epoch * self.train.num_lines

    def measure(self) -> dict[str, Any]:
        return measure(self.task, self.trained, self.valid, self.runtime.device)

    def save(self, folder: Path) -> None:
        self.model.save(folder)

    def state(self) -> Mapping[str, Mapping[str, Entry]]:
        return {"model": array_entries(self.model.state())}

    def restore(self, checkpoint: Path) -> None:
        self.model.restore(map_arrays(checkpoint / "model.safetensors"))

    def open(self, folder: Path) -> FittedByPasses:
        self.model.open(folder)
        return self.model
