"""Where checkpoints lie: safetensors and JSON, whole or not at all, nothing pickled.

`training/current` names the folder of the last whole checkpoint. A new one is written beside it, then `current` is
replaced in one step, then the old one goes: a crash at any moment leaves a whole checkpoint.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from seqloom.errors import SeqloomError
from seqloom.files import make_folder, reading, write_atomic
from seqloom.storage.arrays import Entry, write_entries
from seqloom.training.progress import Progress


def write_checkpoint(folder: Path, progress: Progress, files: Mapping[str, Mapping[str, Entry]]) -> None:
    """Writes a checkpoint under `folder`, with a safetensors file for each name of `files`, and forgets the one
    before."""
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
        if _current(folder) != name:  # an interrupt may come just after it was named
            shutil.rmtree(new, ignore_errors=True)
        raise
    for old in folder.glob("update-*"):
        if old.name != name:
            shutil.rmtree(old, ignore_errors=True)


def _current(folder: Path) -> str | None:
    """The name of the last whole checkpoint under `folder`."""
    pointer = folder / "current"
    if not pointer.exists():
        return None
    with reading(pointer):
        return pointer.read_text()


def current_checkpoint(folder: Path) -> Path | None:
    """The folder of the last whole checkpoint under `folder`, or None where there is none."""
    name = _current(folder)
    return None if name is None else folder / name


def read_progress(checkpoint: Path) -> Progress:
    """Raises SeqloomError where it is damaged."""
    path = checkpoint / "progress.json"
    try:
        with reading(path):
            return Progress(**json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise SeqloomError("the checkpoint is damaged", where=str(path), got=str(error)) from None
