"""How long to train, how far training has come, and how both are shown on a terminal."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import ConfigDict, Field, model_validator
from rich import progress as bars
from rich.console import Console

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


_Count = Annotated[int, Field(ge=0, le=2**53)]
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Sums = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=2, max_length=2)]


@dataclass
class Progress:
    """Where training stands: what resuming needs besides tensors. `seconds` is the time spent training, over all
    sessions; `step` the next batch of `epoch`; `best` the score of the weights that are kept."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    epoch: _Count = 0
    step: _Count = 0
    updates: _Count = 0
    sequences: _Count = 0
    targets: _Count = 0
    seconds: _Seconds = 0.0
    best: float | None = None
    best_updates: _Count = 0
    evaluations: _Count = 0
    evaluations_without_gain: _Count = 0
    evaluated_at: _Seconds = 0.0
    """The fraction of the budget at the last evaluation."""
    evaluation_seconds: _Seconds = 0.0
    """How long the last one took."""
    all_evaluations_seconds: _Seconds = 0.0
    finished: bool = False
    recent_loss: _Sums = field(default_factory=lambda: [0.0, 0.0])
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


class Display(Protocol):
    def step(self, fraction: float, targets_per_second: float, train_loss: float) -> None: ...
    def evaluated(self, fraction: float, scores: dict[str, float], row: dict[str, Any]) -> None: ...


class Silent:
    """Shows nothing: for all ranks but the first, and for calls from Python with `quiet`."""

    def step(self, fraction: float, targets_per_second: float, train_loss: float) -> None: ...

    def evaluated(self, fraction: float, scores: dict[str, float], row: dict[str, Any]) -> None: ...


class Terminal:
    """A progress bar on standard error where that is a terminal, and a line for each evaluation."""

    def __init__(self, title: str) -> None:
        self._console = Console(stderr=True)
        self._bar = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.TextColumn("{task.percentage:>3.0f} %  {task.fields[rate]}  {task.fields[score]}"),
            bars.TimeElapsedColumn(),
            bars.TextColumn("{task.fields[left]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=1.0, rate="", score="", left="")
        self._title, self._score, self._started, self._first, self._drawn = title, "", time.monotonic(), 0.0, 0.0

    def __enter__(self) -> Terminal:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def step(self, fraction: float, targets_per_second: float, train_loss: float) -> None:
        now = time.monotonic()
        if now - self._drawn < 0.2:
            return
        if not self._drawn:
            self._first, self._started = fraction, now
        self._drawn = now
        left = self._seconds_left(fraction)
        self._bar.update(
            self._task,
            completed=fraction,
            rate=f"{targets_per_second:,.0f} targets/s  train {train_loss:.3f}",
            score=self._score,
            left=f"{_clock(left)} left" if left else "",
        )

    def _seconds_left(self, fraction: float) -> float:
        """Estimated from this session alone; 0 where nothing is known yet."""
        done = fraction - self._first
        return (time.monotonic() - self._started) * (1 - fraction) / done if self._drawn and done > 0 else 0.0

    def evaluated(self, fraction: float, scores: dict[str, float], row: dict[str, Any]) -> None:
        name, value = next(iter(scores.items()))
        self._score = f"valid {name} {value:,.0f}" if abs(value) >= 10_000 else f"valid {name} {value:#.4g}"
        train = (
            f"train {row['train_loss']:.3f}  " if "train_loss" in row else ""
        )  # a model that is fitted in one pass has none
        self._console.print(
            f"{self._title} {fraction:4.0%} {_clock(row['seconds']):>5} ({_clock(self._seconds_left(fraction))} left)  "
            f"{row['targets_per_second']:,.0f} targets/s  {train}{self._score}",
            highlight=False,
            soft_wrap=True,
        )


def _clock(seconds: float) -> str:
    """`4:05`, or `1:04:05`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
