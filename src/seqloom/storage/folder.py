"""Folders that are there whole or not at all, with a manifest of sizes and checksums that tells whether they still are.

A folder is written under a temporary name beside the place where it will stand, synced, and renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqloom.files import make_folder, writing

_MANIFEST = "manifest.json"
_TEMPORARY = ".part"
_ABANDONED_SECONDS = 24 * 3600
_NUMBERS = itertools.count()


@contextlib.contextmanager
def new_folder(folder: Path, facts: dict[str, Any] | None = None) -> Iterator[Path]:
    """An empty temporary folder, which becomes `folder` when the block ends, and is removed where the block fails.

    `facts` are written into the manifest; the block may still change them. Where `folder` is there by then, because
    another process finished first, that one stays.
    """
    make_folder(folder.parent)
    _remove_abandoned(folder.parent)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.{next(_NUMBERS)}{_TEMPORARY}")
    shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed and had the same number
    make_folder(temporary)
    try:
        yield temporary
        with writing(folder):
            _write_manifest(temporary, facts or {})
            try:
                temporary.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
            _sync(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_whole(folder: Path) -> bool:
    """Whether all files that were written into `folder` have the size and the checksum that they had then."""
    try:
        files = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["files"]
        return all(
            (folder / name).stat().st_size == size and _checksum(folder / name) == checksum
            for name, (size, checksum) in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def facts_of(folder: Path) -> dict[str, Any]:
    """What `new_folder` was given to write into the manifest of a folder that is whole."""
    return json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["facts"]


def _write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    files = {}
    for path in sorted(folder.rglob("*")):
        _sync(path)
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = [path.stat().st_size, _checksum(path)]
    manifest = folder / _MANIFEST
    manifest.write_text(json.dumps({"files": files, "facts": facts}, indent=1), encoding="utf-8")
    _sync(manifest)
    _sync(folder)


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Has the system write a file, or the names in a folder, to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _remove_abandoned(parent: Path) -> None:
    """Removes what processes that were killed left here, a day after they last wrote."""
    for path in parent.glob(f".*{_TEMPORARY}"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
