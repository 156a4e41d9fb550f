"""The training loop, the only one: for networks, for models fitted by passes and for models fitted in one pass."""

from __future__ import annotations

import math
import shutil
import signal
import threading
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from seqloom.errors import SeqloomError
from seqloom.memory import MemoryPeak
from seqloom.processors import ProcessorShare
from seqloom.training.budget import Budget, EarlyDecay, Progress
from seqloom.training.checkpoint_folder import current_checkpoint, read_progress, write_checkpoint
from seqloom.training.reports import Display, MetricsFile
from seqloom.training.trainer import Trainer

_EVALUATION_SHARE = 1 / 30
"""The largest share of a budget in minutes that validation takes."""

_FEW_EVALUATION_STEPS, _UPDATES_PER_EVALUATION_STEP = 4, 2
"""With another budget, whose validations must not depend on the clock: where there are more than a few batches of
validation data, the fewest updates between two validations for each of them."""


class TrainingLoop:
    """Trains until the budget is spent, patience runs out or a signal asks to stop.

    Writes into the run's folder: `model.safetensors` (the best weights), `metrics.jsonl`, and `training/` for resuming.
    """

    def __init__(
        self, trainer: Trainer, budget: Budget, folder: Path, display: Display, memory: MemoryPeak | None = None
    ) -> None:
        self.trainer, self.folder, self.display = trainer, folder, display
        self._memory = memory or MemoryPeak()
        self.schedule = trainer.schedule(budget)
        self.is_first = trainer.runtime.rank == 0
        self.progress = Progress()
        self._metrics, self._best_checkpoint = MetricsFile(folder), folder / "training" / "best"
        self._clock = time.monotonic()
        self._saved_at = 0.0
        self.processor, self._processor_before = ProcessorShare(), 0.0

    def resume(self) -> None:
        """Resumes from the last checkpoint in the folder, if there is one."""
        checkpoint = current_checkpoint(self.folder / "training")
        if checkpoint is None or not self.trainer.resumable:
            return
        progress = read_progress(checkpoint, self.trainer.num_steps)
        try:
            self.trainer.restore(checkpoint)
        except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            message = f"{type(error).__name__}: {error}"[:300]
            raise SeqloomError("the checkpoint is damaged", where=str(checkpoint), got=message) from None
        self.progress, self._saved_at = progress, progress.seconds
        if self.is_first:
            self._metrics.keep_until(progress.updates)

    def run(self) -> Progress:
        progress, self._clock = self.progress, time.monotonic()
        self.processor, self._processor_before = ProcessorShare(), progress.processor_seconds
        if not progress.updates and not progress.evaluations and self.is_first:
            self._metrics.remove()
        with StopOnSignal(at_once=not self.trainer.resumable) as signals:
            stop = False
            self.begin_from_initial()
            while not progress.finished and not stop:
                self.train_step()
                if self.evaluation_is_due():
                    self.evaluate()
                self.display.step(self.fraction(), progress)
                progress.finished = self.fraction() >= 1
                if not progress.finished and self.is_out_of_patience():
                    self.end_early()
                stop = self.any_process(signals.stop_requested)
                self.checkpoint(force=progress.finished or stop)
        if (
            progress.best is None and self.is_first
        ):  # stopped before the first evaluation: evaluate now, so that the run is usable
            self.trainer.save(self.folder)
        if progress.finished and self.is_first:
            shutil.rmtree(self._best_checkpoint, ignore_errors=True)
        self._count_processor_time()
        return progress

    def _count_processor_time(self) -> None:
        self.progress.processor_seconds = self._processor_before + self.processor.seconds

    def begin_from_initial(self) -> None:
        """If the training is initialised from another run of the same model, its weights are evaluated first, so that
        the run is never worse than the other. The checkpoint makes the training independent of the other run."""
        initial = self.trainer.initial
        if initial is None or self.progress.updates:
            return
        if initial.is_same_model and not self.progress.evaluations:
            self.evaluate()
        self.checkpoint(force=True)

    def train_step(self) -> None:
        self.trainer.step(self.progress, self.fraction())
        seconds = self.first_clock(time.monotonic() - self._clock)
        self.progress.seconds += seconds
        self._clock += seconds

    def spent(self) -> float:
        """The share of the budget that is spent; 1 or more if all of it is."""
        epoch_share = self.progress.step / self.trainer.num_steps(self.progress.epoch)
        return self.schedule.budget.fraction(self.progress, epoch_share)

    def fraction(self) -> float:
        """The place in the schedule, 1 or more at its end: the share of the budget that is spent, unless the decay
        begins early."""
        early_decay = self.progress.early_decay
        return self.spent() if early_decay is None else early_decay.fraction(self.spent())

    def evaluation_is_due(self) -> bool:
        """At the end, and evenly along the budget or after each epoch; rarely enough that it takes only a small
        share."""
        fraction, progress = self.fraction(), self.progress
        if fraction >= 1:
            return True
        if not self.schedule.evaluations:
            return progress.step == 0
        marks = self.schedule.evaluations * (1 + 1e-9)  # so that 2/6 of a budget reaches the second of six marks
        if int(fraction * marks) <= int(progress.evaluated_at * marks):
            return False
        since, minutes = fraction - progress.evaluated_at, self.schedule.budget.minutes
        if progress.early_decay is not None:
            since *= progress.early_decay.pace
        if not minutes:
            steps, updates = self.trainer.evaluation_steps(), since * progress.updates / self.spent()
            return steps <= _FEW_EVALUATION_STEPS or updates >= _UPDATES_PER_EVALUATION_STEP * steps * (1 - 1e-9)
        seconds = progress.evaluation_seconds
        if not progress.evaluations:  # an estimate: a batch takes as long as an update
            seconds = self.trainer.evaluation_steps() * progress.seconds / max(progress.updates, 1)
        return since * 60 * minutes * _EVALUATION_SHARE > seconds

    def evaluate(self) -> None:
        """Evaluates, saves the model if it is the best so far, and writes a row of metrics."""
        self._memory.end("training")
        started, fraction, progress, score = time.monotonic(), self.fraction(), self.progress, self.trainer.score
        scores = self.trainer.measure()
        criterion = score.criterion(scores)
        value = scores[criterion.name]
        gain = progress.best is None or math.isnan(progress.best) or criterion.better(value, progress.best)
        if gain or value == progress.best:  # of equal models, the later one has seen more data
            if self.is_first:
                self.trainer.save(self.folder)
            progress.best, progress.best_updates, progress.best_at = value, progress.updates, self.spent()
        progress.evaluations, progress.evaluated_at = progress.evaluations + 1, fraction
        progress.evaluations_without_gain = 0 if gain else progress.evaluations_without_gain + 1
        progress.evaluation_seconds = self.first_clock(time.monotonic() - started)
        progress.all_evaluations_seconds += progress.evaluation_seconds
        progress.seconds += progress.evaluation_seconds
        self._clock += progress.evaluation_seconds
        row = self.metrics_row(scores)
        progress.norms = [0.0] * 4
        if self.is_first:
            self._metrics.add(row)
        self._memory.end("validation")
        if gain and self.schedule.patience and self.schedule.decay and self.is_stable():
            self._write_checkpoint(self._best_checkpoint)  # where the decay begins if patience runs out
        self.display.evaluated(min(fraction, 1.0), {score.name: scores[score.name]} | scores, row)

    def metrics_row(self, scores: dict[str, Any]) -> dict[str, Any]:
        progress, loss = self.progress, self.progress.train_loss()
        return {
            "updates": progress.updates,
            "epoch": progress.epoch + progress.step / self.trainer.num_steps(progress.epoch),
            "seconds": round(progress.seconds, 3),
            "targets": progress.targets,
            "targets_per_second": round(progress.targets_per_second(), 1),
            **({} if math.isnan(loss) else {"train_loss": loss}),  # a model that is fitted in one pass has none
            **progress.gradient_norms(),
            **{f"valid_{name}": value for name, value in scores.items()},
        }

    def is_stable(self) -> bool:
        """Whether the decay of the schedule is still to come; where it has none, until the end."""
        return self.fraction() < 1 - self.schedule.decay

    def is_out_of_patience(self) -> bool:
        """While the learning rate falls at the end of a schedule, patience does not count."""
        return 0 < self.schedule.patience <= self.progress.evaluations_without_gain and self.is_stable()

    def end_early(self) -> None:
        """Ends a training without gains: with the decay of its schedule from the state of the best evaluation on, as if
        the budget had been that long, or at once."""
        progress = self.progress
        progress.out_of_patience = True
        progress.early_decay = EarlyDecay.from_best(progress.best_at, self.spent(), self.schedule.decay)
        if progress.early_decay is None:
            progress.finished = True
            return
        best = current_checkpoint(self._best_checkpoint)
        if best is not None:  # none where patience was set when the training was resumed
            self.trainer.restore(best)
        progress.evaluated_at = self.fraction()
        self.checkpoint(force=True)

    def checkpoint(self, force: bool) -> None:
        """Saves all that resuming needs, if it is time or `force` is True."""
        due = self.progress.seconds - self._saved_at >= self.schedule.checkpoint_seconds
        if not self.trainer.resumable or not (force or due):
            return
        self._memory.end("training")
        self._count_processor_time()
        self._write_checkpoint(self.folder / "training")
        self._memory.end("checkpoint")
        self._saved_at = self.progress.seconds

    def _write_checkpoint(self, folder: Path) -> None:
        state = self.trainer.state()
        if self.is_first:
            write_checkpoint(folder, self.progress, state)

    def first_clock(self, seconds: float) -> float:
        """The first process's time, so that all processes make the same decisions."""
        return self.trainer.processes.sum([seconds if self.is_first else 0.0])[0]

    def any_process(self, condition: bool) -> bool:
        return self.trainer.processes.sum([float(condition)])[0] > 0


class StopOnSignal:
    """A context in which the first SIGINT or SIGTERM sets `stop_requested`, and the next SIGINT raises
    KeyboardInterrupt. With `at_once`, the first signal raises it.

    Does nothing outside the main thread, where signals cannot be caught.
    """

    def __init__(self, at_once: bool = False) -> None:
        self.stop_requested = False
        self._at_once = at_once
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopOnSignal:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _caught(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._at_once or (self.stop_requested and number == signal.SIGINT):
            raise KeyboardInterrupt
        self.stop_requested = True
