"""The only training loop. Knows no task by name: it asks the task for the loss of a batch, a sum and a count.

One update: the gradients of the loss sums of all micro-batches and ranks, divided once by the count of their targets.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from seqloom.data.batch import Batch
from seqloom.data.loader import Loader
from seqloom.errors import RequestError, SeqloomError
from seqloom.nn.layer import State, restore_state, state_tensors
from seqloom.runtime import Runtime
from seqloom.storage.tensors import load_model_tensors, model_tensors, write_tensors
from seqloom.tasks.network_task import NetworkTask
from seqloom.training.average import WeightAverage
from seqloom.training.budget import Budget, Progress
from seqloom.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_optimizer_tensors,
    optimizer_tensors,
    save_checkpoint,
)
from seqloom.training.interrupt import StopOnSignal
from seqloom.training.nonfinite import not_finite
from seqloom.training.optimizer import make_optimizer, rate_factor, scale_and_clip
from seqloom.training.progress import Display, MetricsFile
from seqloom.training.ranks import BatchAndState, Objective
from seqloom.training.rng_state import generator_state, set_generator_state
from seqloom.training.settings import TrainingSettings
from seqloom.training.validation import Validation

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_EVALUATION_SHARE = 1 / 30
"""Of a budget in minutes, at most about this share goes to validation."""


class Step(NamedTuple):
    """What all ranks know of an update: sums over all of them."""

    loss: float
    targets: int
    sequences: int
    seconds: float
    stop: bool


class Trainer:
    """Trains `model` in place and keeps its run folder: `model.safetensors` (best), `metrics.jsonl`, `training/`."""

    def __init__(
        self,
        task: NetworkTask,
        model: nn.Module,
        loader: Loader,
        validation: Validation,
        settings: TrainingSettings,
        budget: Budget,
        runtime: Runtime,
        fabric: Fabric,
        folder: Path,
        display: Display,
    ) -> None:
        self.task, self.model, self.loader, self.validation = task, model, loader, validation
        self.settings, self.budget = settings, budget
        self.runtime, self.folder, self.display = runtime, folder, display
        self.metrics_file = MetricsFile(folder / "metrics.jsonl")
        self.fabric = fabric
        optimizer = make_optimizer(model, settings)
        self.objective, self.optimizer = self.fabric.setup(Objective(task, model), optimizer)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.average = WeightAverage(self.parameters, settings.average)
        self.progress = Progress()
        self.state: State | None = None
        self._carried: list[Tensor] = []
        self._clock = time.monotonic()
        self._saved_at = 0.0
        torch.manual_seed(runtime.seed * 1_000_003 + runtime.rank)  # dropout differs from rank to rank

    def resume(self) -> bool:
        """Takes up the last checkpoint of the folder; False where there is none."""
        checkpoint = load_checkpoint(self.folder / "training")
        if checkpoint is None:
            return False
        if len(checkpoint.ranks) != self.runtime.world_size:
            raise RequestError(
                "a run is resumed with as many processes as it had",
                where=str(self.folder),
                got=self.runtime.world_size,
                expected=len(checkpoint.ranks),
            )
        load_model_tensors(self.model, checkpoint.model, self.folder)
        load_optimizer_tensors(self.optimizer.optimizer, checkpoint.optimizer)
        self.progress = checkpoint.progress
        self.average.load(checkpoint.average)
        generator, *carried = checkpoint.ranks[self.runtime.rank]
        self._carried = [tensor.to(self.runtime.device) for tensor in carried]
        self._saved_at = self.progress.seconds
        set_generator_state(self.runtime.device, generator)
        if self.runtime.rank == 0:
            self.metrics_file.keep_until(self.progress.updates)
        return True

    def run(self) -> Progress:
        """Trains until the budget is spent, nothing more is gained, or a signal asks to stop."""
        self.model.train()
        self._clock = time.monotonic()
        if not self.progress.updates and self.runtime.rank == 0:
            self.metrics_file.keep_until(-1)
        with StopOnSignal() as signals:
            stop = False
            while not self.progress.finished and not stop:
                stop = self._update(signals).stop
                fraction = self._fraction()
                if fraction >= 1 or self._due(fraction):
                    self._evaluate(fraction)
                self.display.step(fraction, self.progress.targets_per_second(), self.progress.train_loss())
                self.progress.finished = fraction >= 1 or self._nothing_gained()
                self._checkpoint(force=self.progress.finished or stop)
        if self.progress.best is None:  # stopped before the first validation: the run is usable all the same
            self._keep_model()
        return self.progress

    def _fraction(self) -> float:
        steps = self.loader.num_steps(self.progress.epoch)
        return self.budget.fraction(self.progress, self.progress.step / steps)

    def _update(self, signals: StopOnSignal) -> Step:
        """One step of the optimizer over `accumulate` batches."""
        rate = self.settings.learning_rate * rate_factor(self._fraction(), self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, targets, sequences = 0.0, 0, 0
        for micro in range(self.settings.accumulate):
            whole = self._next_batch()
            batch = whole.shard(self.runtime.rank, self.runtime.world_size).to(self.runtime.device)
            before = self._state_for(batch)
            last = micro == self.settings.accumulate - 1
            with self.fabric.no_backward_sync(self.objective, enabled=not last):
                total, count, state = self.objective(BatchAndState(batch, before))
                value = float(total.detach())
                if not math.isfinite(value):
                    raise self._not_finite("loss", rate, batch, before)
                self.fabric.backward(total)
            self.state = state
            loss, targets, sequences = loss + value, targets + int(count), sequences + whole.num_rows
        step = self._over_ranks(loss, targets, sequences, signals.asked)
        # Summed gradients were averaged over the ranks; dividing by this makes them the mean over all targets.
        norm = scale_and_clip(self.parameters, self.runtime.world_size / max(step.targets, 1), self.settings.clip_norm)
        if not math.isfinite(norm):
            raise self._not_finite("gradient", rate, batch, before)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._count(step)
        self.average.add(self.progress.updates)
        return step

    def _next_batch(self) -> Batch:
        batch = self.loader.batch(self.progress.epoch, self.progress.step)
        self.progress.step += 1
        if self.progress.step >= self.loader.num_steps(self.progress.epoch):
            self.progress.epoch, self.progress.step = self.progress.epoch + 1, 0
        return batch

    def _state_for(self, batch: Batch) -> State | None:
        """The state that the rows of the batch go on from; after resuming, the one that the checkpoint carried."""
        if not batch.continues:
            self._carried = []
            return None
        if self._carried:
            generator = generator_state(self.runtime.device)
            with torch.no_grad():
                like = self.task.loss(self.model, batch, None)[1]  # for its nesting alone
            set_generator_state(self.runtime.device, generator)
            self.state, self._carried = restore_state(like, self._carried), []
        return self.state

    def _over_ranks(self, loss: float, targets: int, sequences: int, stop: bool) -> Step:
        """Sums over the ranks, and the first one's clock: no decision is taken by one rank alone."""
        seconds = time.monotonic() - self._clock
        if self.runtime.world_size == 1:
            return Step(loss, targets, sequences, seconds, stop)
        clock = seconds if self.runtime.rank == 0 else 0.0
        own = torch.tensor([loss, float(targets), clock, float(stop)], dtype=torch.float64, device=self.runtime.device)
        total = self.fabric.all_reduce(own, reduce_op="sum")
        assert isinstance(total, Tensor)
        return Step(float(total[0]), int(total[1]), sequences, float(total[2]), bool(total[3] > 0))

    def _count(self, step: Step) -> None:
        progress = self.progress
        self._clock += step.seconds
        progress.seconds += step.seconds
        progress.updates += 1
        progress.sequences += step.sequences
        progress.targets += step.targets
        decayed = [0.99 * x for x in progress.recent_loss]
        progress.recent_loss = [decayed[0] + step.loss, decayed[1] + step.targets]

    def _due(self, fraction: float) -> bool:
        """Whether a validation is due: evenly along the budget, and not so often that it takes much of the time."""
        marks = self.settings.evaluations * (1 + 1e-9)  # so that 2/6 of a budget counts as the second of six marks
        if int(fraction * marks) <= int(self.progress.evaluated_at * marks):
            return False
        if not self.budget.minutes or not self.progress.evaluations:
            return True
        spent = (fraction - self.progress.evaluated_at) * 60 * self.budget.minutes
        return spent * _EVALUATION_SHARE > self.progress.evaluation_seconds

    def _evaluate(self, fraction: float) -> None:
        """Validates, writes the metrics, and keeps the model where it is the best so far."""
        started = time.monotonic()
        progress, score = self.progress, self.validation.score
        with self.average.in_place():
            scores = self.validation.run(self.objective, self.fabric, self.runtime)
            value, best = scores[score.name], progress.best
            gain = best is None or score.better(value, best)
            if best is None or not score.better(best, value):  # of equals, the one that has seen more
                self._keep_model()
                progress.best, progress.best_updates = value, progress.updates
        progress.evaluation_seconds = self._shared(time.monotonic() - started)
        progress.all_evaluations_seconds += progress.evaluation_seconds
        progress.seconds += progress.evaluation_seconds
        self._clock += progress.evaluation_seconds
        progress.evaluations, progress.evaluated_at = progress.evaluations + 1, fraction
        progress.evaluations_without_gain = 0 if gain else progress.evaluations_without_gain + 1
        steps = self.loader.num_steps(progress.epoch)
        row: dict[str, Any] = {
            "updates": progress.updates,
            "epoch": progress.epoch + progress.step / steps,
            "seconds": round(progress.seconds, 3),
            "targets": progress.targets,
            "targets_per_second": round(progress.targets_per_second(), 1),
            "train_loss": progress.train_loss(),
            **{f"valid_{name}": score for name, score in scores.items()},
        }
        if self.runtime.rank == 0:
            self.metrics_file.add(row)
        self.display.evaluated(min(fraction, 1.0), {score.name: value} | scores, row)

    def _shared(self, seconds: float) -> float:
        """The first rank's clock."""
        return float(self.fabric.broadcast(seconds)) if self.runtime.world_size > 1 else seconds

    def _nothing_gained(self) -> bool:
        return 0 < self.settings.patience <= self.progress.evaluations_without_gain

    def _keep_model(self) -> None:
        if self.runtime.rank == 0:
            write_tensors(self.folder / "model.safetensors", model_tensors(self.model))

    def _checkpoint(self, force: bool) -> None:
        due = self.progress.seconds - self._saved_at >= self.settings.checkpoint_seconds
        if not force and not due:
            return
        own = [generator_state(self.runtime.device), *(state_tensors(self.state) if self.state is not None else [])]
        own = [tensor.detach().cpu().clone() for tensor in own]
        ranks: list[list[Tensor]] = [own]
        if self.runtime.world_size > 1:
            gathered: list[Any] = [None] * self.runtime.world_size
            torch.distributed.all_gather_object(gathered, own)
            ranks = gathered
        if self.runtime.rank == 0:
            optimizer = optimizer_tensors(self.optimizer.optimizer)
            model, average = model_tensors(self.model), self.average.tensors
            save_checkpoint(self.folder / "training", Checkpoint(model, average, optimizer, ranks, self.progress))
        self._saved_at = self.progress.seconds

    def _not_finite(self, what: str, rate: float, batch: Batch, state: State | None) -> SeqloomError:
        saved = (self.folder / "training" / "current").exists()
        return not_finite(what, rate, self.progress, self.task, self.model, batch, state, saved)
