"""How long to train, how far training has come, and how both are shown: on the terminal and as rows of metrics."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from pydantic import Field, model_validator
from rich import progress as bars
from rich.console import Console

from seqloom.config import Settings
from seqloom.errors import RequestError
from seqloom.files import write_atomic, writing


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


class Display(Protocol):
    def step(self, fraction: float, targets_per_second: float, train_loss: float) -> None: ...
    def evaluated(self, fraction: float, scores: dict[str, float], row: dict[str, Any]) -> None: ...


class Silent:
    """Shows nothing: the ranks that are not the first, and calls from Python that ask for quiet."""

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
        """ClassLogits by this sitting alone; 0 where nothing is known yet."""
        done = fraction - self._first
        return (time.monotonic() - self._started) * (1 - fraction) / done if self._drawn and done > 0 else 0.0

    def evaluated(self, fraction: float, scores: dict[str, float], row: dict[str, Any]) -> None:
        name, value = next(iter(scores.items()))
        self._score = f"valid {name} {value:,.0f}" if abs(value) >= 10_000 else f"valid {name} {value:#.4g}"
        train = f"train {row['train_loss']:.3f}  " if "train_loss" in row else ""  # models that count have none
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


class MetricsFile:
    """`metrics.jsonl`: a line an evaluation. On resuming, lines from after the checkpoint are taken away again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]

    def keep_until(self, updates: int) -> None:
        rows = self.rows()
        kept = [row for row in rows if row["updates"] <= updates]
        if len(kept) < len(rows) or self._path.exists():
            write_atomic(self._path, "".join(json.dumps(row) + "\n" for row in kept))

    def add(self, row: dict[str, Any]) -> None:
        with writing(self._path), self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
