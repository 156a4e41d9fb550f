"""The trainer of networks, by gradients. It knows no task by name: a task returns the sum and the count of a loss.

One update: the gradients of the summed losses of all micro-batches and ranks, divided once by the number of targets.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from seqloom.data.batches import Batch, Loader, have_one_shape
from seqloom.data.corpus import Corpus
from seqloom.errors import RequestError, SeqloomError
from seqloom.memory import keep_freed_memory, return_freed_memory
from seqloom.nn.layer import State, detach, map_state, restore_state, state_tensors
from seqloom.processors import WaitPolicy, num_threads
from seqloom.runtime import Processes, Runtime, SingleProcess, processes_of
from seqloom.storage.arrays import Entry
from seqloom.storage.tensors import (
    check_model_tensors,
    load_model_tensors,
    model_tensors,
    naming_damage,
    read_tensors,
    without_memory,
    write_tensors,
)
from seqloom.tasks.capabilities import Calibrates, Trained
from seqloom.tasks.network_task import Loss, NetworkTask
from seqloom.tasks.task import Task
from seqloom.training.budget import Budget, Progress
from seqloom.training.checkpoint import (
    Checkpoint,
    generator_state,
    read_checkpoint,
    set_generator_state,
)
from seqloom.training.nonfinite import NotFinite
from seqloom.training.optimizers import Optimizer, make_optimizer, rate_factor, scale_and_clip
from seqloom.training.settings import TrainingSettings
from seqloom.training.trainer import Schedule, Trainer

if TYPE_CHECKING:
    from seqloom.training.weight_average import WeightAverage


_SECONDS_BETWEEN_RETURNS = 10.0
"""Freed memory is returned to the system so often: it costs 1 % of the time (LOG.md)."""


class Objective(nn.Module):
    """The model and the task's loss as one module, whose gradients several processes can average."""

    def __init__(self, task: NetworkTask, model: nn.Module, runtime: Runtime) -> None:
        super().__init__()
        self.task, self.model = task, model
        self._device_type, self._bfloat16 = torch.device(runtime.device).type, runtime.bfloat16

    def forward(self, batch: Batch, state: State | None) -> tuple[Tensor, Tensor, State | None]:
        """The sum and the count of the loss, and the new state, detached from the graph and in single precision."""
        with torch.autocast(self._device_type, torch.bfloat16, enabled=self._bfloat16):
            loss, state = self.task.loss(self.model, batch, state)
        return loss.sum.float(), loss.count, None if state is None else map_state(_in_float32, detach(state))


def _in_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


class GradientTrainer(Trainer):
    """Trains a network, in one process or in the ranks of `torchrun`, which share every batch."""

    objective: nn.Module
    optimizer: Optimizer
    wait_policy: WaitPolicy

    def __init__(self, task: Task, model: str, settings: Any) -> None:
        assert isinstance(task, NetworkTask)
        self.task, self.model_name, self.settings = task, model, settings
        self.options: TrainingSettings = settings.training
        self.network: nn.Module | None = None
        self.state_of_rows: State | None = None
        self._resumed_state: list[Tensor] = []

    def start(self, *, device: str, threads: int, seed: int, training: bool) -> None:
        precision = self.options.precision if training else "float32"
        self.runtime = Runtime.start(device=device, precision=precision, threads=threads, seed=seed)
        self.processes: Processes = SingleProcess()
        if training:
            self.processes = processes_of(self.runtime)
        keep_freed_memory()
        self._memory_returned_at = time.monotonic()

    def build(self, corpus: Corpus[Any, Any], seed: int, folder: Path) -> nn.Module:
        torch.manual_seed(seed)
        self.corpus, self.folder = corpus, folder
        self.network = self._initial_network(corpus)
        if self.options.freeze:
            from seqloom.models.parts import freeze

            freeze(self.network, self.options.freeze)
        self.trained = Trained(self.network, corpus.codec, self.settings)
        self.not_finite = NotFinite(self.task, self.network, folder)
        self.score = self.task.score(corpus.valid)
        self.loader = self._loader(corpus, seed)
        if self.runtime.bfloat16 and not self._gains_from_bfloat16():
            self.runtime = replace(self.runtime, bfloat16=False)
        self._evaluation_steps = self.task.exact_loader(corpus.valid, self.settings).num_steps(0)
        self.network.to(self.runtime.device)
        self.objective = self.processes.averaging(Objective(self.task, self.network, self.runtime))
        self.optimizer = make_optimizer(self.network, self.options)
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.average = self._weight_average()
        self.wait_policy = WaitPolicy(1 if self.runtime.on_gpu else num_threads())
        torch.manual_seed(seed * 1_000_003 + self.runtime.rank)  # dropout differs from rank to rank
        return self.network.train()

    def _gains_from_bfloat16(self) -> bool:
        """Whether bfloat16 was asked for or is faster. On a processor, oneDNN compiles each product for each new shape,
        which takes longer than the products of a narrow network gain (LOG.md)."""
        return self.options.precision == "bfloat16" or self.runtime.on_gpu or have_one_shape(self.loader)

    def _initial_network(self, corpus: Corpus[Any, Any]) -> nn.Module:
        if self.initial is None:
            return self.task.build(corpus, self.model_name, self.settings)
        from seqloom.training.initial_network import initial_network

        network, self.taken = initial_network(self.initial, self.task, corpus, self.model_name, self.settings)
        return network

    def _weight_average(self) -> WeightAverage | None:
        if not self.options.average:
            return None
        from seqloom.training.weight_average import WeightAverage

        return WeightAverage(self.parameters, self.options.average)

    def _averaged_weights(self) -> AbstractContextManager[None]:
        """A context in which the model has the averaged weights, if they are averaged."""
        return nullcontext() if self.average is None else self.average.in_place()

    def _loader(self, corpus: Corpus[Any, Any], seed: int) -> Loader:
        loader = self.task.train_loader(corpus, self.settings, seed)
        if corpus.replay is None:
            return loader
        from seqloom.data.replay import ReplayLoader

        old = corpus.replay
        old_loader = self.task.train_loader(replace(corpus, train=old.train), self.settings, seed)
        return ReplayLoader.of(loader, old_loader, len(corpus.train), len(old.train), old.share)

    def schedule(self, budget: Budget) -> Schedule:
        options = self.options
        decay = options.decay if options.schedule == "wsd" else 0.0
        return Schedule(budget, options.evaluations, options.patience, decay, options.checkpoint_seconds)

    def num_steps(self, epoch: int) -> int:
        return self.loader.num_steps(epoch)

    def evaluation_steps(self) -> int:
        return self._evaluation_steps

    def step(self, progress: Progress, fraction: float) -> None:
        """One step of the optimizer over `accumulate` batches."""
        rate = self._set_learning_rate(fraction)
        loss, targets, sequences = 0.0, 0, 0
        for micro_batch in range(self.options.accumulate):
            shared_batch = self._next_batch(progress)
            batch = shared_batch.shard(self.runtime.rank, self.runtime.world_size).to(self.runtime.device)
            state = self._state_before(batch)
            is_last = micro_batch == self.options.accumulate - 1
            with nullcontext() if is_last else self.processes.gradients_apart(self.objective):
                total, count, state_after = self.objective(batch, state)
                if not batch.apart:
                    self.state_of_rows = state_after
                value = float(total.detach())
                if not math.isfinite(value):
                    raise self.not_finite.error("loss", rate, progress, batch, state)
                total.backward()
            loss, targets, sequences = loss + value, targets + int(count), sequences + shared_batch.num_rows
        loss, all_targets = self.processes.sum([loss, float(targets)])
        # Summed gradients were averaged over the ranks; dividing by this makes them the mean over all targets.
        norm = scale_and_clip(self.parameters, self.runtime.world_size / max(all_targets, 1), self.options.clip_norm)
        if math.isfinite(norm):
            self.optimizer.step()
        else:
            self.not_finite.skip_update(rate, progress, batch, state)
        self.optimizer.zero_grad()
        progress.add_update(loss, int(all_targets), sequences, norm, self.options.clip_norm)
        if self.average is not None:
            self.average.add(progress.updates)
        self.wait_policy.adapt()
        self._return_memory_if_due()

    def _return_memory_if_due(self) -> None:
        if time.monotonic() - self._memory_returned_at >= _SECONDS_BETWEEN_RETURNS:
            return_freed_memory()
            self._memory_returned_at = time.monotonic()

    def _set_learning_rate(self, fraction: float) -> float:
        rate = self.options.learning_rate * rate_factor(fraction, self.options)
        self.optimizer.learning_rate = rate
        return rate

    def _next_batch(self, progress: Progress) -> Batch:
        batch = self.loader.batch(progress.epoch, progress.step)
        progress.next_step(self.loader.num_steps(progress.epoch))
        return batch

    def _state_before(self, batch: Batch) -> State | None:
        """The initial state for the batch; after resuming, the one in the checkpoint."""
        if batch.apart:
            return None
        if not batch.continues:
            self._resumed_state = []
            return None
        if self._resumed_state:
            generator = generator_state(self.runtime.device)
            with torch.no_grad():
                like = self.task.loss(self.network, batch, None)[1]  # only for its structure
            set_generator_state(self.runtime.device, generator)
            # Only the number of rows: a Transformer's cache grows with the number of elements that it has seen.
            if [t.shape[:1] for t in state_tensors(like)] != [t.shape[:1] for t in self._resumed_state]:
                raise SeqloomError("the checkpoint has states of a different number of rows", where=str(self.folder))
            self.state_of_rows, self._resumed_state = restore_state(like, self._resumed_state), []
        return self.state_of_rows

    @torch.no_grad()
    def measure(self) -> dict[str, Any]:
        """Each rank computes the loss on its rows of every batch; every rank computes the output metrics in full.
        Metrics on replayed data are named `replay_..`."""
        model, replay = self.trained.model, self.corpus.replay
        model.eval()
        try:
            with self._averaged_weights():
                scores = self._metrics(self.corpus.valid)
                replayed = self._metrics(replay.valid) if replay is not None else {}
                return scores | {f"replay_{name}": value for name, value in replayed.items()}
        finally:
            model.train()

    def _metrics(self, valid: Any) -> dict[str, Any]:
        loss = self._validation_loss(valid)
        return self.task.metrics(loss, valid) | self.task.output_metrics(self.trained, valid, brief=True)

    def _validation_loss(self, valid: Any) -> Loss:
        sums = torch.zeros(2, dtype=torch.float64, device=self.runtime.device)
        state: State | None = None
        loader = self.task.exact_loader(valid, self.settings)
        for step in range(loader.num_steps(0)):
            batch = loader.batch(0, step).shard(self.runtime.rank, self.runtime.world_size).to(self.runtime.device)
            total, count, state = self.objective(batch, state if batch.continues else None)
            sums += torch.stack([total.double(), count.double().to(total.device)])
        total_loss, targets = self.processes.sum(sums.tolist())
        return Loss(torch.tensor(total_loss, dtype=torch.float64), torch.tensor(targets, dtype=torch.float64))

    def save(self, folder: Path) -> None:
        with self._averaged_weights():
            write_tensors(folder / "model.safetensors", model_tensors(self.trained.model))

    def state(self) -> Mapping[str, Mapping[str, Entry]]:
        carried = state_tensors(self.state_of_rows) if self.state_of_rows is not None else self._resumed_state
        rank_tensors = [tensor.detach().cpu().clone() for tensor in (generator_state(self.runtime.device), *carried)]
        ranks = self.processes.gather(rank_tensors)
        if self.runtime.rank:
            return {}
        averages = [] if self.average is None else self.average.tensors
        return Checkpoint(model_tensors(self.trained.model), averages, self.optimizer.tensors(), ranks).files()

    def restore(self, checkpoint: Path) -> None:
        saved = read_checkpoint(checkpoint)
        if len(saved.ranks) != self.runtime.world_size:
            raise RequestError(
                "a run must be resumed with its number of processes",
                where=str(self.folder),
                got=self.runtime.world_size,
                expected=len(saved.ranks),
            )
        load_model_tensors(self.trained.model, saved.model, self.folder)
        with naming_damage(checkpoint / "optimizer.safetensors"):
            self.optimizer.load(saved.optimizer)
        if self.average is not None:
            self.average.load(saved.average)
        generator, *carried = saved.ranks[self.runtime.rank]
        self.state_of_rows, self._resumed_state = None, [tensor.to(self.runtime.device) for tensor in carried]
        set_generator_state(self.runtime.device, generator)

    def open(self, folder: Path) -> nn.Module:
        tensors = read_tensors(folder / "model.safetensors")
        if self.network is None:
            with naming_damage(folder / "model.safetensors"):
                # First without memory: the settings of a damaged run may ask for any size.
                with without_memory():
                    sizes = self.task.rebuild(tensors, self.model_name, self.settings)
                check_model_tensors(sizes, tensors, folder)
                self.network = self.task.rebuild(tensors, self.model_name, self.settings)
        load_model_tensors(self.network, tensors, folder)
        return self.network.to(self.runtime.device).eval()

    def finish(self, folder: Path) -> nn.Module:
        """Also fits what is fitted after training, on the validation data; every rank does the same."""
        self.wait_policy.spin()
        network: nn.Module = super().finish(folder)
        if isinstance(self.task, Calibrates):
            self.task.calibrate(self.trained, self.corpus.valid)
            if self.runtime.rank == 0:
                write_tensors(folder / "model.safetensors", model_tensors(network))
        return network
