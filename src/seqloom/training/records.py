"""The records of a training: `metrics.jsonl` and `summary.json`, checked when they are read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqloom.errors import SeqloomError
from seqloom.files import reading, write_atomic, writing


class MetricsFile:
    """`metrics.jsonl`: one line for each evaluation. Resuming removes the lines after the checkpoint."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "metrics.jsonl"

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


def read_summary(folder: Path) -> dict[str, Any]:
    """The content of `summary.json`; empty if there is none. Raises SeqloomError if it is damaged."""
    path = folder / "summary.json"
    if not path.exists():
        return {}
    summary = read_json(path)
    for name, kind in _SUMMARY.items():
        if not isinstance(summary.get(name), kind):
            raise _damaged(path, f"{name} = {summary.get(name)!r}")
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
