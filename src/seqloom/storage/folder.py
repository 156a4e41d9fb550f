"""Folders that are written atomically, with a manifest of sizes and checksums to verify them, and folders that one
process locks while it works in them.

An atomic folder is written under a temporary name beside its final path, synced, and renamed.
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
from collections.abc import Iterator, Sequence
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
    """An empty temporary folder, which becomes `folder` when the block ends, and is removed if the block fails.

    `facts` are written into the manifest; the block may still change them. If `folder` exists by then, because another
    process finished first, that one is kept.
    """
    make_folder(folder.parent)
    _remove_abandoned(folder.parent)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.{next(_NUMBERS)}{_TEMPORARY}")
    shutil.rmtree(temporary, ignore_errors=True)  # left by a killed process with the same number
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
    """Whether the manifest of `folder` has its checksum, and all files the size and the checksum in the manifest."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        files = manifest["files"]
        return manifest["sha256"] == _checksum_of_manifest(files, manifest["facts"]) and all(
            (folder / name).stat().st_size == size and _checksum(folder / name) == checksum
            for name, (size, checksum) in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def facts_of(folder: Path) -> dict[str, Any]:
    """The `facts` in the manifest of a complete folder."""
    return json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["facts"]


def _write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    files = {}
    for path in sorted(folder.rglob("*")):
        _sync(path)
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = [path.stat().st_size, _checksum(path)]
    manifest = folder / _MANIFEST
    facts = json.loads(json.dumps(facts))  # as a reader sees them
    content = {"sha256": _checksum_of_manifest(files, facts), "files": files, "facts": facts}
    manifest.write_text(json.dumps(content, indent=1), encoding="utf-8")
    _sync(manifest)
    _sync(folder)


def _checksum_of_manifest(files: Any, facts: Any) -> str:
    """The sha256 of what a manifest holds beside it, as what runs exported models compares it."""
    return hashlib.sha256(json.dumps([files, facts], sort_keys=True).encode()).hexdigest()


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Makes the system write a file, or the entries of a folder, to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _remove_abandoned(parent: Path) -> None:
    """Removes the temporary folders that killed processes left here, a day after their last change."""
    for path in parent.glob(f".*{_TEMPORARY}"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()


@contextlib.contextmanager
def locked_folder(folder: Path, wait_seconds: float = 0.0) -> Iterator[Path]:
    """Locks `folder` until the block ends or the process dies, and creates it if necessary. A folder that was created
    for the block and is still empty after it is removed again.

    Raises RequestError, which names the owner, if another process holds the lock for longer than `wait_seconds`.
    """
    missing = _missing((folder, *folder.parents))
    make_folder(folder)
    try:
        with _locked(folder, wait_seconds):
            yield folder
    finally:
        with contextlib.suppress(OSError):  # not empty, so it stays
            for path in missing:
                path.rmdir()


@contextlib.contextmanager
def locked_new_folder(path: Path) -> Iterator[Path]:
    """The first of `path`, `path-2`, `path-3`, .. that does not exist: created by this process, and locked."""
    missing = _missing(path.parents)
    make_folder(path.parent)
    number, folder = 1, path
    while True:
        try:
            folder.mkdir()
            break
        except FileExistsError:
            number += 1
            folder = path.with_name(f"{path.name}-{number}")
        except OSError:
            make_folder(folder)  # raises an error that explains the cause
    try:
        with _locked(folder, 0.0):
            yield folder
    finally:
        with contextlib.suppress(OSError):  # not empty, so it stays
            for path in (folder, *missing):
                path.rmdir()


def _missing(paths: Sequence[Path]) -> list[Path]:
    """Those that do not exist."""
    with writing(paths[0]):
        return [path for path in paths if not path.exists()]


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
        stream.close()  # the previous owner removed the file between our opening and locking it
    try:
        stream.truncate(0)
        facts = {"process": os.getpid(), "machine": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        stream.write(json.dumps(facts))
        stream.flush()
        yield
    finally:
        path.unlink(missing_ok=True)
        stream.close()


def is_locked(folder: Path) -> bool:
    """Whether a process works in `folder` that has locked it. A process on this machine is known by its number, so that
    asking does not disturb one that is about to lock the folder."""
    try:
        with (folder / _LOCK).open("rb") as stream:
            if _has_ended(stream.read()):
                return False
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:  # the lock is held
        return True
    return False


def _has_ended(lock: bytes) -> bool:
    """Whether the content of a lock names a process of this machine that has ended."""
    try:
        facts = json.loads(lock)
        return facts["machine"] == platform.node() and not _is_running(int(facts["process"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return False  # damaged, or its owner is about to write it


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


_HINT = "wait until it has ended, or choose another --out"


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
        return "a process that has just started"
