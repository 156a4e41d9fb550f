"""The state in which the files of a model were saved: it tells whether they have been saved anew, and when."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from seqloom.errors import SeqloomError
from seqloom.training.reports import LIVE, METRICS, read_live, read_summary
from seqloom_portable.folder import MANIFEST

_NOT_OF_THE_MODEL = frozenset({LIVE, METRICS, "README.md"})
"""Files that change while the model stays."""

_WEIGHTS = ("model.safetensors", MANIFEST)
"""Of a run, and of an exported model."""


Files = tuple[tuple[str, int, int, int], ...]
"""The name, inode, time of change in nanoseconds since 1970 and size of each file."""


class Saved(NamedTuple):
    """The `files` of a model. `seconds`: when the weights were saved, since 1970. `updates`: after how many updates of
    the training; None where that is unknown."""

    files: Files
    seconds: float
    updates: int | None


def saved_state(folder: Path) -> Saved | None:
    """None as for `saved_files`."""
    files = saved_files(folder)
    if files is None:
        return None
    changed = max(nanoseconds for name, _, nanoseconds, _ in files if name in _WEIGHTS)
    return Saved(files, changed / 1e9, _updates(folder))


def saved_files(folder: Path) -> Files | None:
    """None where there are no weights, or the folder is being replaced."""
    try:
        statuses = {path.name: path.stat() for path in folder.iterdir() if _is_of_the_model(path)}
    except OSError:
        return None
    if statuses.keys().isdisjoint(_WEIGHTS):
        return None
    return tuple(sorted((name, s.st_ino, s.st_mtime_ns, s.st_size) for name, s in statuses.items()))


def _is_of_the_model(path: Path) -> bool:
    """Hidden files are locks, or files that are being written; pages are reports."""
    name = path.name
    return not name.startswith(".") and path.suffix != ".html" and name not in _NOT_OF_THE_MODEL and path.is_file()


def _updates(folder: Path) -> int | None:
    try:
        updates = (read_live(folder) or read_summary(folder)).get("best_updates")
    except SeqloomError:
        return None
    return updates if isinstance(updates, int) else None
