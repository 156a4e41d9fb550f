"""What a person sees while training goes on: a bar on a terminal, a line an evaluation; and JSON lines on disk."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from seqloom.files import write_atomic, writing


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
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[rate]}  {task.fields[score]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
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
