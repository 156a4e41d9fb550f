"""The folder of checkpoints: safetensors and JSON, written atomically, without pickle.

`training/current` names the folder of the last complete checkpoint. A new one is written beside it, then `current` is
replaced atomically, then the old one is removed: after a crash at any moment, there is a complete checkpoint.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from seqloom.errors import SeqloomError
from seqloom.files import make_folder, reading, write_atomic
from seqloom.storage.arrays import Entry, write_entries
from seqloom.training.budget import Progress


def write_checkpoint(folder: Path, progress: Progress, files: Mapping[str, Mapping[str, Entry]]) -> None:
    """Writes a checkpoint under `folder`, with a safetensors file for each entry of `files`, and removes the previous
    checkpoint."""
    name = f"update-{progress.updates:09d}"
    new = make_folder(folder) / name
    if _current(folder) == name:
        new = folder / (name := f"{name}-again")
    shutil.rmtree(new, ignore_errors=True)
    make_folder(new)
    try:
        for file, entries in files.items():
            write_entries(new / f"{file}.safetensors", entries, {})
        write_atomic(new / "progress.json", json.dumps(asdict(progress)))
        write_atomic(folder / "current", name)
    except BaseException:
        if _current(folder) != name:  # an interrupt may arrive just after `current` was replaced
            shutil.rmtree(new, ignore_errors=True)
        raise
    for old in folder.glob("update-*"):
        if old.name != name:
            shutil.rmtree(old, ignore_errors=True)


def _current(folder: Path) -> str | None:
    """The name of the last complete checkpoint under `folder`. Raises SeqloomError if `current` contains anything
    else."""
    pointer = folder / "current"
    if not pointer.exists():
        return None
    with reading(pointer):
        name = pointer.read_text(encoding="utf-8", errors="replace")
    if not re.fullmatch(r"update-\d{9,20}(-again)?", name):
        raise SeqloomError(
            "the checkpoint is damaged", where=str(pointer), got=repr(name[:100]), expected="the name of a checkpoint"
        )
    return name


def current_checkpoint(folder: Path) -> Path | None:
    """The folder of the last complete checkpoint under `folder`, or None."""
    name = _current(folder)
    return None if name is None else folder / name


def read_progress(checkpoint: Path, num_steps: Callable[[int], int] | None = None) -> Progress:
    """The progress in a checkpoint; `num_steps` returns the number of steps of an epoch. Raises SeqloomError if it is
    damaged."""
    path = checkpoint / "progress.json"
    try:
        with reading(path):
            progress = TypeAdapter(Progress).validate_json(path.read_bytes())
    except ValidationError as error:
        raise SeqloomError("the checkpoint is damaged", where=str(path), got=str(error)[:300]) from None
    if num_steps is not None and progress.step >= max(num_steps(progress.epoch), 1):
        raise SeqloomError(
            "the checkpoint is damaged",
            where=str(path),
            got=f"step {progress.step}",
            expected=f"0 to {num_steps(progress.epoch) - 1}, the steps of epoch {progress.epoch}",
        )
    return progress
