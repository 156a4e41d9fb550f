"""A folder that one process owns: created by it alone, and locked as long as it works there."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from seqloom.errors import RequestError, warn
from seqloom.files import make_folder, writing

_LOCK = ".lock"
_POLL_SECONDS = 0.1


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
        with contextlib.suppress(OSError):
            folder.rmdir()


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
