"""Folders that are there whole or not at all, with a manifest of sizes and checksums that tells whether they still are;
and folders that one process owns, locked as long as it works there.

A whole folder is written under a temporary name beside the place where it will stand, synced, and renamed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from seqloom.errors import RequestError, warn
from seqloom.files import make_folder, writing

_MANIFEST = "manifest.json"
_TEMPORARY = ".part"
_ABANDONED_SECONDS = 24 * 3600
_NUMBERS = itertools.count()
_LOCK = ".lock"
_POLL_SECONDS = 0.1


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


@contextlib.contextmanager
def locked_folder(folder: Path, wait_seconds: float = 0.0) -> Iterator[Path]:
    """`folder`, made if it is not there, and locked until the block ends or the process dies. A folder that was made
    for the block and is still empty after it goes again.

    Raises RequestError that names the owner if another process has locked the folder for longer than `wait_seconds`.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    make_folder(folder)
    try:
        with _locked(folder, wait_seconds):
            yield folder
    finally:
        with contextlib.suppress(OSError):  # not empty: this is what was wanted
            for path in missing:
                path.rmdir()


@contextlib.contextmanager
def locked_new_folder(wanted: Path) -> Iterator[Path]:
    """The first of `wanted`, `wanted-2`, `wanted-3`, .. that is not there: made by this process alone, and locked."""
    missing = [path for path in wanted.parents if not path.exists()]
    make_folder(wanted.parent)
    number, folder = 1, wanted
    while True:
        try:
            folder.mkdir()
            break
        except FileExistsError:
            number += 1
            folder = wanted.with_name(f"{wanted.name}-{number}")
        except OSError:
            make_folder(folder)  # says what is wrong
    try:
        with _locked(folder, 0.0):
            yield folder
    finally:
        with contextlib.suppress(OSError):  # not empty: this is what was wanted
            for path in (folder, *missing):
                path.rmdir()


@contextlib.contextmanager
def _locked(folder: Path, wait_seconds: float) -> Iterator[None]:
    path, deadline = folder / _LOCK, time.monotonic() + wait_seconds
    while True:
        with writing(path):
            stream = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _owner(stream)
            stream.close()
            if time.monotonic() >= deadline:
                raise RequestError(
                    "another process is working in the folder", where=str(folder), got=owner, hint=_HINT
                ) from None
            time.sleep(_POLL_SECONDS)
            continue
        except OSError as error:
            warn("the file system cannot lock the folder: do not use it twice", where=str(folder), got=error.strerror)
        if _is_still(path, stream):
            break
        stream.close()  # the owner before removed the file between our opening and locking it
    try:
        stream.truncate(0)
        facts = {"process": os.getpid(), "machine": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        stream.write(json.dumps(facts))
        stream.flush()
        yield
    finally:
        path.unlink(missing_ok=True)
        stream.close()


_HINT = "wait until it has ended, or give another --out"


def _is_still(path: Path, stream: IO[Any]) -> bool:
    """Whether the open file is the one at `path`."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    return False


def _owner(stream: IO[str]) -> str:
    try:
        stream.seek(0)
        facts = json.load(stream)
        return f"process {facts['process']} on {facts['machine']}, since {facts['since']}"
    except (ValueError, KeyError, TypeError):
        return "a process that has just begun"
