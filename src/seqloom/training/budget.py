"""How long to train, and how far training has come."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import Field, model_validator

from seqloom.config import Settings
from seqloom.errors import RequestError


class Budget(Settings):
    """Exactly one of them; 0 is not this one."""

    minutes: float = Field(0.0, ge=0, le=60 * 24 * 365, description="minutes of training, validation included")
    epochs: float = Field(0.0, ge=0, le=1e9, description="passes over the training data")
    sequences: int = Field(0, ge=0, le=2**62, description="rows of batches seen")
    updates: int = Field(0, ge=0, le=2**62, description="steps of the optimizer")

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if sum(bool(x) for x in (self.minutes, self.epochs, self.sequences, self.updates)) != 1:
            raise RequestError(
                "how long to train is said once",
                where="minutes, epochs, sequences, updates",
                got=", ".join(f"{name}={value:g}" for name, value in self.model_dump(exclude_defaults=True).items()),
                expected="exactly one of them, greater than 0",
            )
        return self

    def fraction(self, progress: Progress, epoch_share: float) -> float:
        """The share of the budget that is spent. `epoch_share`: how much of the present epoch is behind."""
        if self.minutes:
            return progress.seconds / (60 * self.minutes)
        if self.epochs:
            return (progress.epoch + epoch_share) / self.epochs
        if self.sequences:
            return progress.sequences / self.sequences
        return progress.updates / self.updates


@dataclass
class Progress:
    """Where training stands: what resuming needs besides tensors. `seconds` is the time spent training, over all
    sittings; `step` the next batch of `epoch`; `best` the score of the weights that are kept."""

    epoch: int = 0
    step: int = 0
    updates: int = 0
    sequences: int = 0
    targets: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_updates: int = 0
    evaluations: int = 0
    evaluations_without_gain: int = 0
    evaluated_at: float = 0.0
    """The fraction of the budget at the last evaluation."""
    evaluation_seconds: float = 0.0
    """How long the last one took."""
    all_evaluations_seconds: float = 0.0
    finished: bool = False
    recent_loss: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Decaying sums of loss and of targets: their ratio is the training loss shown."""

    def next_step(self, num_steps: int) -> None:
        """Moves on to the next step of an epoch that has `num_steps`, or to the next epoch."""
        self.step += 1
        if self.step >= num_steps:
            self.epoch, self.step = self.epoch + 1, 0

    def add_update(self, loss: float, targets: int, sequences: int) -> None:
        """Counts an update of a network: its summed loss, targets and rows."""
        self.updates += 1
        self.sequences += sequences
        self.targets += targets
        decayed = [0.99 * part for part in self.recent_loss]
        self.recent_loss = [decayed[0] + loss, decayed[1] + targets]

    def train_loss(self) -> float:
        return self.recent_loss[0] / self.recent_loss[1] if self.recent_loss[1] else float("nan")

    def targets_per_second(self) -> float:
        """The rate of training alone, validation left out."""
        return self.targets / max(self.seconds - self.all_evaluations_seconds, 1e-9)
