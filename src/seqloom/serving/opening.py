"""Opens the folders that a server answers from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from seqloom.errors import SeqloomError
from seqloom.processors import default_threads
from seqloom.serving.hosted import Hosted
from seqloom.serving.saved_files import saved_state
from seqloom.serving.watched import Watched
from seqloom.storage.folder import is_locked
from seqloom.training.reports import METRICS
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import MANIFEST


def open_warm(folder: Path, name: str, threads: int = 0) -> Hosted:
    """`open_hosted`, and a first answer of each kind."""
    model = open_hosted(folder, name, threads)
    model.warm_up()
    return model


def open_hosted(folder: Path, name: str, threads: int = 0) -> Hosted:
    """The model of a run's folder or of an exported one. `threads=0`: see `default_threads`. Raises SeqloomError where
    it is neither."""
    saved = saved_state(folder)  # before it is read: what is saved meanwhile is seen as new
    model = _open(folder, name, threads)
    model.saved = saved
    return model


def _open(folder: Path, name: str, threads: int) -> Hosted:
    if (folder / MANIFEST).exists():
        from seqloom.serving.hosted_folder import HostedFolder

        try:
            return HostedFolder(name, folder, threads or default_threads())
        except PortableError as error:
            raise SeqloomError(str(error), where=str(folder)) from None
    from seqloom.run import load
    from seqloom.serving.hosted_run import HostedRun

    return HostedRun(name, load(folder, threads=threads))


def names_of(folders: Sequence[Path]) -> list[str]:
    """A name for each model: that of its folder, with a number where two have the same."""
    names: list[str] = []
    for folder in folders:
        plain = re.sub(r"[^\w.+-]+", "-", folder.resolve().name) or "model"
        name, number = plain, 2
        while name in names:
            name, number = f"{plain}-{number}", number + 1
        names.append(name)
    return names


def watched_runs(folders: Sequence[Path]) -> list[Watched]:
    """The trainings of those folders that are runs with metrics, or are trained now; an exported model has none."""
    named = zip(names_of(folders), folders, strict=True)
    return [Watched(name, folder) for name, folder in named if (folder / METRICS).exists() or is_begun(folder)]


def is_begun(folder: Path) -> bool:
    """Whether a training has begun there that has not saved weights yet."""
    return is_locked(folder) and not (folder / "model.safetensors").exists()
