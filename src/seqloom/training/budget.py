"""The budget of a training, and its progress: epoch, step, updates, time, and the best score."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, model_validator

from seqloom.config import Settings
from seqloom.errors import RequestError


class Budget(Settings):
    """How long to train: exactly one of the fields is not 0."""

    minutes: float = Field(0.0, ge=0, le=60 * 24 * 365, description="minutes of training, validation included")
    epochs: float = Field(0.0, ge=0, le=1e9, description="passes over the training data")
    sequences: int = Field(0, ge=0, le=2**62, description="rows of batches seen")
    updates: int = Field(0, ge=0, le=2**62, description="steps of the optimizer")

    @model_validator(mode="after")
    def _is_unique(self) -> Budget:
        if sum(bool(x) for x in (self.minutes, self.epochs, self.sequences, self.updates)) != 1:
            raise RequestError(
                "how long to train must be set exactly once",
                where="minutes, epochs, sequences, updates",
                got=", ".join(f"{name}={value:g}" for name, value in self.model_dump(exclude_defaults=True).items()),
                expected="exactly one of them, greater than 0",
            )
        return self

    def fraction(self, progress: Progress, epoch_share: float) -> float:
        """The share of the budget that is spent. `epoch_share`: the share of the current epoch that is done."""
        if self.minutes:
            return progress.seconds / (60 * self.minutes)
        if self.epochs:
            return (progress.epoch + epoch_share) / self.epochs
        if self.sequences:
            return progress.sequences / self.sequences
        return progress.updates / self.updates


_Count = Annotated[int, Field(ge=0, le=2**53)]
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Sum = Annotated[float, Field(allow_inf_nan=False)]
_Sums = Annotated[list[_Sum], Field(min_length=2, max_length=2)]
_Norms = Annotated[list[_Sum], Field(min_length=4, max_length=4)]
_Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class EarlyDecay:
    """A decay of the learning rate that begins where patience runs out. `begins`, `length`: the share of the budget
    that is spent then, and the share that the decay takes; `share`: what it would take at the end of the budget."""

    begins: _Seconds
    length: _Share
    share: _Share

    @classmethod
    def from_best(cls, best_at: float, spent: float, share: float) -> EarlyDecay | None:
        """The decay after `spent` of the budget, as long as if the budget had been chosen so that the decay begins at
        the best evaluation, at `best_at`; None where nothing was gained or no budget is left."""
        length = min(best_at * share / (1 - share), 1 - spent)
        return cls(spent, length, share) if length > 0 else None

    @property
    def pace(self) -> float:
        """The share of the budget that passes with each part of the schedule."""
        return self.length / self.share

    def fraction(self, spent: float) -> float:
        """The place in the schedule after `spent` of the budget."""
        return 1 - self.share + (spent - self.begins) / self.pace


@dataclass
class Progress:
    """The state of a training besides its tensors. `seconds`: the time spent training, over all sessions;
    `processor_seconds`: the same of the processor, in all threads of the first process; `step`: the next batch of
    `epoch`; `best`: the score of the saved weights, or the loss that chose them."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    epoch: _Count = 0
    step: _Count = 0
    updates: _Count = 0
    sequences: _Count = 0
    targets: _Count = 0
    seconds: _Seconds = 0.0
    processor_seconds: _Seconds = 0.0
    best: float | None = None
    best_updates: _Count = 0
    best_at: _Seconds = 0.0
    """The share of the budget that was spent at the best evaluation."""
    evaluations: _Count = 0
    evaluations_without_gain: _Count = 0
    evaluated_at: _Seconds = 0.0
    """The place in the schedule at the last evaluation."""
    evaluation_seconds: _Seconds = 0.0
    """The time that the last evaluation took."""
    all_evaluations_seconds: _Seconds = 0.0
    out_of_patience: bool = False
    early_decay: EarlyDecay | None = None
    finished: bool = False
    recent_loss: _Sums = field(default_factory=lambda: [0.0, 0.0])
    """Exponentially decaying sums of the loss and of targets, whose ratio is the training loss that is shown."""
    overflows: _Count = 0
    """The last updates, one after the other, that were skipped because their gradient was not finite."""
    norms: _Norms = field(default_factory=lambda: [0.0] * 4)
    """Of the updates since the last evaluation: the largest norm of a gradient before clipping, the sum of the
    logarithms of the norms, the number of those that were clipped, and the number of all."""

    def next_step(self, num_steps: int) -> None:
        """Moves on to the next step of an epoch that has `num_steps`, or to the next epoch."""
        self.step += 1
        if self.step >= num_steps:
            self.epoch, self.step = self.epoch + 1, 0

    def add_update(self, loss: float, targets: int, sequences: int, norm: float, clip_norm: float) -> None:
        """Counts an update of a network with its summed loss, targets and rows, and the norm of its gradient before it
        was clipped to `clip_norm` (0: not at all); one that is not finite is that of an update that was skipped."""
        self.updates += 1
        self.sequences += sequences
        self.targets += targets
        decayed = [0.99 * part for part in self.recent_loss]
        self.recent_loss = [decayed[0] + loss, decayed[1] + targets]
        if not math.isfinite(norm):
            self.overflows += 1
            return
        self.overflows = 0
        largest, logarithms, clipped, count = self.norms
        clipped += 0 < clip_norm < norm
        self.norms = [max(largest, norm), logarithms + math.log(max(norm, 1e-30)), clipped, count + 1]

    def gradient_norms(self) -> dict[str, float]:
        """Of the updates since the last evaluation: the geometric mean of the norms of their gradients before clipping,
        the largest one, and the share of those that were clipped. Empty for a model that is fitted without
        gradients."""
        largest, logarithms, clipped, count = self.norms
        if not count:
            return {}
        return {
            "gradient_norm": math.exp(logarithms / count),
            "largest_gradient_norm": largest,
            "clip_rate": clipped / count,
        }

    def train_loss(self) -> float:
        return self.recent_loss[0] / self.recent_loss[1] if self.recent_loss[1] else float("nan")

    def targets_per_second(self) -> float:
        """The speed of training, without the time of validation."""
        return self.targets / max(self.seconds - self.all_evaluations_seconds, 1e-9)
