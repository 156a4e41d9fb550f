"""What a training reports: the progress bar, `metrics.jsonl`, `live.json` and `summary.json`; all are checked when
read."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from rich import progress as bars
from rich.console import Console

from seqloom.errors import SeqloomError
from seqloom.files import reading, write_atomic, writing
from seqloom.training.budget import Progress


class Display(Protocol):
    """What the training loop calls after each step and each evaluation."""

    def step(self, fraction: float, progress: Progress) -> None: ...
    def evaluated(self, fraction: float, scores: dict[str, float], row: dict[str, Any]) -> None: ...


class Silent:
    """Shows nothing: for all ranks but the first, and for calls from Python with `quiet`."""

    def step(self, fraction: float, progress: Progress) -> None: ...

    def evaluated(self, fraction: float, scores: dict[str, float], row: dict[str, Any]) -> None: ...


class Together:
    """Several displays as one."""

    def __init__(self, *displays: Display) -> None:
        self._displays = displays

    def step(self, fraction: float, progress: Progress) -> None:
        for display in self._displays:
            display.step(fraction, progress)

    def evaluated(self, fraction: float, scores: dict[str, float], row: dict[str, Any]) -> None:
        for display in self._displays:
            display.evaluated(fraction, scores, row)


class Pace:
    """Estimates the time that is left from this session alone. `is_due` once in `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._began, self._first, self._last = seconds, time.monotonic(), 0.0, -math.inf

    def is_due(self, fraction: float) -> bool:
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        if self._last == -math.inf:
            self._began, self._first = now, fraction
        self._last = now
        return True

    def seconds_left(self, fraction: float) -> float:
        """0 if nothing is known yet."""
        done = fraction - self._first
        return max((time.monotonic() - self._began) * (1 - fraction) / done, 0.0) if done > 0 else 0.0


class Terminal:
    """A progress bar on standard error, if that is a terminal, and a line for each evaluation."""

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
        self._title, self._score, self._pace = title, "", Pace(0.2)

    def __enter__(self) -> Terminal:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def step(self, fraction: float, progress: Progress) -> None:
        if not self._pace.is_due(fraction):
            return
        left = self._pace.seconds_left(fraction)
        self._bar.update(
            self._task,
            completed=fraction,
            rate=f"{progress.targets_per_second():,.0f} targets/s  train {progress.train_loss():.3f}",
            score=self._score,
            left=f"{_clock(left)} left" if left else "",
        )

    def evaluated(self, fraction: float, scores: dict[str, float], row: dict[str, Any]) -> None:
        name, value = next(iter(scores.items()))
        self._score = f"valid {name} {value:,.0f}" if abs(value) >= 10_000 else f"valid {name} {value:#.4g}"
        if f"replay_{name}" in scores:
            self._score += f", replay {scores[f'replay_{name}']:#.4g}"
        train = (
            f"train {row['train_loss']:.3f}  " if "train_loss" in row else ""
        )  # a model that is fitted in one pass has none
        left = _clock(self._pace.seconds_left(fraction))
        self._console.print(
            f"{self._title} {fraction:4.0%} {_clock(row['seconds']):>5} ({left} left)  "
            f"{row['targets_per_second']:,.0f} targets/s  {train}{self._score}",
            highlight=False,
            soft_wrap=True,
        )


def _clock(seconds: float) -> str:
    """`4:05`, or `1:04:05`."""
    minutes, seconds_left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds_left:02}" if hours else f"{minutes}:{seconds_left:02}"


METRICS = "metrics.jsonl"


class MetricsFile:
    """`metrics.jsonl`: one line for each evaluation. Resuming removes the lines after the checkpoint."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / METRICS

    def rows(self) -> list[dict[str, Any]]:
        """The rows. An incomplete last line, from a process that was killed, is left out. Raises SeqloomError with
        `file:line` if the file is damaged."""
        if not self._path.exists():
            return []
        lines = _text(self._path).split("\n")
        rows = [_row(line, f"{self._path}:{number}") for number, line in enumerate(lines[:-1], 1)]
        return [*rows, _row(lines[-1], f"{self._path}:{len(lines)}")] if lines[-1].endswith("}") else rows

    def keep_until(self, updates: int) -> None:
        if self._path.exists():
            rows = [row for row in self.rows() if row["updates"] <= updates]
            write_atomic(self._path, "".join(json.dumps(row) + "\n" for row in rows))

    def add(self, row: Mapping[str, Any]) -> None:
        with writing(self._path), self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")

    def remove(self) -> None:
        with writing(self._path):
            self._path.unlink(missing_ok=True)


class LiveFile:
    """`live.json`: where the training is, written once a second and after each evaluation, and removed at its end, for
    those who watch. It stays behind if the process is killed. A training does not fail because it cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._path, self._pace, self._score = folder / LIVE, Pace(1.0), ""
        self._content: dict[str, Any] = {}
        self._has_new_score = False

    def __enter__(self) -> LiveFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def step(self, fraction: float, progress: Progress) -> None:
        if not self._pace.is_due(fraction) and not self._has_new_score:
            return
        self._has_new_score = False
        self._content = {
            "fraction": min(fraction, 1.0),
            "seconds": progress.seconds,
            "seconds_left": self._pace.seconds_left(fraction),
            "updates": progress.updates,
            "targets_per_second": progress.targets_per_second(),
            "train_loss": progress.train_loss(),
            "score": self._score,
            "best_updates": progress.best_updates,
            "evaluates": False,
        }
        self._write()

    def evaluated(self, fraction: float, scores: dict[str, float], row: dict[str, Any]) -> None:  # noqa: ARG002
        self._score, self._has_new_score = next(iter(scores)), True

    def evaluate(self) -> None:
        """Says that the last step is done, and that the best weights are evaluated."""
        if self._content:
            self._content |= {"seconds_left": 0.0, "evaluates": True}
            self._write()

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            self._path.write_text(json.dumps(self._content), encoding="utf-8")


LIVE = "live.json"


def read_live(folder: Path) -> dict[str, Any] | None:
    """The content of `live.json`; None if there is none, or it is being written."""
    try:
        content = json.loads((folder / LIVE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def read_summary(folder: Path) -> dict[str, Any]:
    """The content of `summary.json`; empty if there is none. Raises SeqloomError if it is damaged."""
    path = folder / "summary.json"
    if not path.exists():
        return {}
    summary = read_json(path)
    for name, kind in _SUMMARY.items():
        if name not in summary:
            raise _damaged(path, f"no {name}")
        if not isinstance(summary[name], kind):
            raise _damaged(path, f"{name} = {summary[name]!r}")
    for split in ("valid", "test"):
        if summary.get(split) is not None and not _is_number(summary[split].get(summary["score"])):
            raise _damaged(path, f"{split} without the score {summary['score']}")
    return summary


_SUMMARY: dict[str, type | tuple[type, ...]] = {
    "task": str,
    "model": str,
    "finished": bool,
    "score": str,
    "lower_is_better": bool,
    "updates": int,
    "best_updates": int,
    "parameters": int,
    "seconds": (int, float),
    "targets_per_second": (int, float),
    "peak_memory_bytes": int,
    "threads": int,
    "valid": dict,
    "test": (dict, type(None)),
}


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises SeqloomError if it contains anything else."""
    return _object(_text(path), str(path))


def _text(path: Path) -> str:
    try:
        with reading(path):
            return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _damaged(path, str(error)) from None


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(where, str(error)) from None
    if not isinstance(content, dict):
        raise _damaged(where, f"{type(content).__name__}, not a JSON object")
    return content


def _row(line: str, where: str) -> dict[str, Any]:
    row = _object(line, where)
    for name in ("updates", "epoch", "seconds", "targets", "targets_per_second"):
        if not _is_number(row.get(name)) or not math.isfinite(row[name]) or row[name] < 0:
            raise _damaged(where, f"{name} = {row.get(name)!r}")
    for name, value in row.items():
        if (name == "train_loss" or name.startswith("valid_")) and not isinstance(value, int | float | str | None):
            raise _damaged(where, f"{name} = {value!r}")
    return row


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _damaged(where: Path | str, got: str) -> SeqloomError:
    return SeqloomError("a file of the run is damaged", where=str(where), got=got[:300])
