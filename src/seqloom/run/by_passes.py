"""Training of the models that are fitted pass by pass: measured after each, the best kept, stopped and resumed."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, cast

from seqloom.compiling import give_back_compiler
from seqloom.data.corpus import Corpus
from seqloom.data.text import TextCodec
from seqloom.data.token_file import TokenFile
from seqloom.errors import RequestError, SeqloomError
from seqloom.memory import give_back_freed_memory
from seqloom.models.fitted import FittedByPasses, PassSettings
from seqloom.run.plan import Plan
from seqloom.runtime import Runtime
from seqloom.storage.arrays import array_entries, map_arrays
from seqloom.tasks.capabilities import ScoresWithoutBatches, Trained
from seqloom.tasks.task import Task
from seqloom.training.alone import SingleProcess
from seqloom.training.budget import Progress
from seqloom.training.checkpoint_folder import current_checkpoint, read_progress, write_checkpoint
from seqloom.training.interrupt import StopOnSignal
from seqloom.training.progress import Display, MetricsFile, Silent


class FitByPasses(SingleProcess):
    """Fits `model` in place and keeps its run folder: `model.safetensors` (best), `metrics.jsonl`, `training/`."""

    def __init__(self, model: FittedByPasses, task: Task, plan: Plan, folder: Path, runtime: Runtime) -> None:
        """Raises RequestError where there are several processes: the threads of one do the work."""
        if runtime.world_size > 1:
            raise RequestError(
                "this model is fitted by the threads of one process", got=f"{runtime.world_size} processes", expected=1
            )
        self.model, self.task, self.plan, self.folder, self.runtime = model, task, plan, folder, runtime
        self.settings: PassSettings = cast(Any, plan.settings).passes
        self.metrics_file = MetricsFile(folder / "metrics.jsonl")
        self.progress = Progress()
        self.display: Display = Silent()
        self._clock = time.monotonic()
        self._saved_at = 0.0
        give_back_freed_memory()
        give_back_compiler()

    def build(self, corpus: Corpus[Any, Any]) -> FittedByPasses:
        """The model as it is before its first step."""
        assert isinstance(corpus.codec, TextCodec)
        self.train: TokenFile = corpus.train
        self.valid: TokenFile = corpus.valid
        self.trained = Trained(self.model, corpus.codec, self.plan.settings)
        self.model.begin(corpus.train, corpus.codec.tokenizer.tokens(), self.runtime.seed)
        give_back_compiler()  # the loops of the text and of the model have been loaded
        return self.model

    def run(self, display: Display, resume: bool) -> Progress:
        """Fits until the budget is spent, nothing more is gained, or a signal asks to stop."""
        self.display = display
        if resume:
            self._resume()
        if not self.progress.updates:
            self.metrics_file.keep_until(-1)
        self._clock = time.monotonic()
        with StopOnSignal() as signals:
            while not self.progress.finished and not signals.asked:
                self._step()
                fraction = self._fraction()
                if fraction >= 1 or not self.progress.step:
                    self._evaluate(fraction)
                self.display.step(fraction, self.progress.targets_per_second(), self.progress.train_loss())
                self.progress.finished = fraction >= 1 or self._nothing_gained()
                self._checkpoint(force=self.progress.finished or signals.asked)
        if self.progress.best is None:  # stopped before the first evaluation: the run is usable all the same
            self.model.save(self.folder)
        elif self.progress.best_updates != self.progress.updates:
            self.model.open(self.folder)  # otherwise what is kept is what it is
        return self.progress

    def _resume(self) -> None:
        """Takes up the last checkpoint of the folder, where there is one."""
        checkpoint = current_checkpoint(self.folder / "training")
        if checkpoint is None:
            return
        self.model.restore(map_arrays(checkpoint / "model.safetensors"))
        self.progress = read_progress(checkpoint)
        self._saved_at = self.progress.seconds
        self.metrics_file.keep_until(self.progress.updates)

    def _fraction(self) -> float:
        return self.plan.budget.fraction(self.progress, self.progress.step / self.model.num_steps())

    def _step(self) -> None:
        progress = self.progress
        if not progress.step:
            progress.recent_loss = [0.0, 0.0]  # of this pass
        loss, count = self.model.step(progress.epoch, progress.step, self._fraction())
        if not math.isfinite(loss):
            raise SeqloomError(
                "the loss is no longer finite",
                where=f"pass {progress.epoch + 1}",
                got=loss,
                hint="try a smaller model.learning_rate; --resume goes on from the last checkpoint, where there is one",
            )
        progress.recent_loss = [progress.recent_loss[0] + loss, progress.recent_loss[1] + count]
        steps, tokens = self.model.num_steps(), len(self.train)
        progress.step += 1
        progress.targets = progress.epoch * tokens + min(-(-tokens // steps) * progress.step, tokens)
        progress.updates += 1
        if progress.step == steps:
            progress.epoch, progress.step = progress.epoch + 1, 0
            progress.sequences = progress.epoch * self.train.num_lines
        now = time.monotonic()
        progress.seconds += now - self._clock
        self._clock = now

    def _evaluate(self, fraction: float) -> None:
        """Measures, writes the metrics, and keeps the model where it is the best so far."""
        assert isinstance(self.task, ScoresWithoutBatches)
        progress, score, started = self.progress, self.task.score(self.valid), time.monotonic()
        scores = self.task.measure(self.trained, self.valid)
        value = scores[score.name]
        gain = progress.best is None or score.better(value, progress.best)
        if gain:
            self.model.save(self.folder)
            progress.best, progress.best_updates = value, progress.updates
        progress.evaluations_without_gain = 0 if gain else progress.evaluations_without_gain + 1
        progress.evaluations, progress.evaluated_at = progress.evaluations + 1, fraction
        self._clock = time.monotonic()
        progress.evaluation_seconds = self._clock - started
        progress.all_evaluations_seconds += progress.evaluation_seconds
        progress.seconds += progress.evaluation_seconds
        row: dict[str, Any] = {
            "updates": progress.updates,
            "epoch": progress.epoch + progress.step / self.model.num_steps(),
            "seconds": round(progress.seconds, 3),
            "targets": progress.targets,
            "targets_per_second": round(progress.targets_per_second(), 1),
            "train_loss": progress.train_loss(),
            **{f"valid_{name}": score for name, score in scores.items()},
        }
        self.metrics_file.add(row)
        self.display.evaluated(min(fraction, 1.0), {score.name: value} | scores, row)

    def _nothing_gained(self) -> bool:
        return 0 < self.settings.patience <= self.progress.evaluations_without_gain

    def _checkpoint(self, force: bool) -> None:
        if not force and self.progress.seconds - self._saved_at < self.settings.checkpoint_seconds:
            return
        write_checkpoint(self.folder / "training", self.progress, {"model": array_entries(self.model.state())})
        self._saved_at = self.progress.seconds
