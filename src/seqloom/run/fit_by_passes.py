"""The models that are fitted pass by pass: measured after each, the best kept, stopped and resumed like a training."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, cast

import torch

from seqloom.data.corpus import Corpus
from seqloom.data.text import TextCodec
from seqloom.data.token_file import TokenFile
from seqloom.errors import RequestError, SeqloomError
from seqloom.models.fitted import FittedByPasses, PassSettings
from seqloom.runtime import Runtime
from seqloom.tasks.task import evaluate
from seqloom.training.budget import Budget, Progress
from seqloom.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from seqloom.training.interrupt import StopOnSignal
from seqloom.training.progress import Display, MetricsFile
from seqloom.training.validation import Validation


class Fitter:
    """Fits `model` in place and keeps its run folder: `model.safetensors` (best), `metrics.jsonl`, `training/`."""

    def __init__(
        self,
        model: FittedByPasses,
        corpus: Corpus[str, TokenFile],
        validation: Validation,
        budget: Budget,
        runtime: Runtime,
        folder: Path,
        display: Display,
    ) -> None:
        """Raises RequestError where there are several processes: the threads of one do the work."""
        if runtime.world_size > 1:
            raise RequestError(
                "this model is fitted by the threads of one process", got=f"{runtime.world_size} processes", expected=1
            )
        assert isinstance(corpus.codec, TextCodec)
        self.model, self.corpus, self.validation, self.budget = model, corpus, validation, budget
        self.runtime, self.folder, self.display = runtime, folder, display
        self.settings: PassSettings = validation.trained.settings.passes
        self.metrics_file = MetricsFile(folder / "metrics.jsonl")
        self.progress = Progress()
        model.begin(corpus.train, corpus.codec.tokenizer.tokens(), runtime.seed)
        self._clock = time.monotonic()
        self._saved_at = 0.0

    def resume(self) -> bool:
        """Takes up the last checkpoint of the folder; False where there is none."""
        checkpoint = load_checkpoint(self.folder / "training")
        if checkpoint is None:
            return False
        self.model.restore({name: tensor.numpy() for name, tensor in checkpoint.model.items()})
        self.progress = checkpoint.progress
        self._saved_at = self.progress.seconds
        self.metrics_file.keep_until(self.progress.updates)
        return True

    def run(self) -> Progress:
        """Fits until the budget is spent, nothing more is gained, or a signal asks to stop."""
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

    def _fraction(self) -> float:
        return self.budget.fraction(self.progress, self.progress.step / self.model.num_steps())

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
        steps, tokens = self.model.num_steps(), len(self.corpus.train)
        progress.step += 1
        progress.targets = progress.epoch * tokens + min(-(-tokens // steps) * progress.step, tokens)
        progress.updates += 1
        if progress.step == steps:
            progress.epoch, progress.step = progress.epoch + 1, 0
            progress.sequences = progress.epoch * self.corpus.train.num_lines
        now = time.monotonic()
        progress.seconds += now - self._clock
        self._clock = now

    def _evaluate(self, fraction: float) -> None:
        """Measures, writes the metrics, and keeps the model where it is the best so far."""
        progress, score, trained = self.progress, self.validation.score, self.validation.trained
        data, task, started = self.validation.data, self.validation.task, time.monotonic()
        scores = evaluate(task, trained, data, torch.device("cpu"), brief=True)
        value = cast(float, scores[score.name])
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
        state = {name: torch.from_numpy(array) for name, array in self.model.state().items()}
        save_checkpoint(self.folder / "training", Checkpoint(state, [], {}, [[]], self.progress))
        self._saved_at = self.progress.seconds
