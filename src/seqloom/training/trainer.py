"""The contract of trainers: what the training loop needs of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from seqloom.config import Settings
from seqloom.data.corpus import Corpus
from seqloom.data.input_source import content_hash
from seqloom.errors import SeqloomError
from seqloom.runtime import Processes, Runtime
from seqloom.storage.arrays import Entry
from seqloom.tasks.task import Score
from seqloom.training.budget import Budget, Progress


class Schedule(NamedTuple):
    """When the loop evaluates, saves and stops."""

    budget: Budget
    evaluations: int = 0
    """The largest number along the budget; 0: one after each epoch."""
    patience: int = 0
    """Evaluations without a gain before training stops, or before the decay begins; 0: never."""
    decay: float = 0.0
    """The share of the budget, at its end, in which the learning rate falls; 0: it does so all the time, or never."""
    checkpoint_seconds: float = 0.0
    """The smallest time between checkpoints."""


class Initial(NamedTuple):
    """The run that a training is initialised from. `weights`: their hash. `settings`: those of the run, None if it
    is gone. `is_same_model`: the new run has the same task and model, so all weights are taken over. `checkpoint`: that
    of the training to resume, which then needs no weights of the run."""

    folder: Path
    weights: str
    settings: Settings | None
    is_same_task: bool
    is_same_model: bool
    checkpoint: Path | None = None

    def weights_file(self) -> Path:
        """The file of the weights. Raises SeqloomError if they are not those to initialise from."""
        path = self.folder / "model.safetensors"
        if not path.exists():
            raise SeqloomError(
                "the run to initialise from is gone, and no checkpoint of the training was saved",
                where=str(self.folder),
            )
        weights = content_hash(str(path))
        if weights != self.weights:
            raise SeqloomError(
                "the run to initialise from is no longer what it was",
                where=str(path),
                got=weights,
                expected=self.weights,
            )
        return path


class Trainer(ABC):
    """One way to train a model. `TrainingLoop` decides when to step, evaluate, save and stop; a trainer does it.

    To train: `start`, `build`, the calls of the loop, `finish`. To use a trained model: `start`, `open`.
    """

    resumable: ClassVar[bool] = True
    """Whether training can stop between steps and resume from `state`. If not, a signal interrupts it at once."""

    initial: Initial | None = None
    """The run to initialise from, set before `build`."""
    taken: str = ""
    """What was taken from that run, as text; known after `build`."""

    runtime: Runtime
    processes: Processes
    score: Score
    """The metric by which the best weights are chosen; known after `build`."""

    @abstractmethod
    def start(self, *, device: str, threads: int, seed: int, training: bool) -> None:
        """Sets `runtime` and `processes`."""

    @abstractmethod
    def build(self, corpus: Corpus[Any, Any], seed: int, folder: Path) -> Any:
        """The model before its first step. `folder` is the run's, which need not exist yet."""

    @abstractmethod
    def schedule(self, budget: Budget) -> Schedule: ...

    @abstractmethod
    def num_steps(self, epoch: int) -> int:
        """The number of steps of an epoch."""

    def evaluation_steps(self) -> int:
        """The number of batches of validation data, where `measure` reads batches."""
        return 0

    @abstractmethod
    def step(self, progress: Progress, fraction: float) -> None:
        """Learns from the next part of the data and counts it in `progress`; `fraction`: the place in the schedule."""

    @abstractmethod
    def measure(self) -> dict[str, Any]:
        """The metrics of the current model on the validation data, including the score."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes the weights that `measure` evaluates; only the first process calls it."""

    def state(self) -> Mapping[str, Mapping[str, Entry]]:
        """All that resuming needs besides the progress: the arrays of each file of a checkpoint. Every rank calls
        it."""
        raise NotImplementedError

    def restore(self, checkpoint: Path) -> None:
        """Restores the state in the folder `checkpoint`."""
        raise NotImplementedError

    @abstractmethod
    def open(self, folder: Path) -> Any:
        """The model of a run's folder with its best weights, ready for use."""

    def finish(self, folder: Path) -> Any:
        """The trained model with its best weights, ready for use."""
        self.processes.barrier()
        return self.open(folder)
