"""Folders are there whole or not at all, and it is seen where they no longer are what was written."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path

import pytest

from seqloom.errors import RequestError
from seqloom.storage.folder import facts_of, is_locked, is_whole, locked_new_folder, new_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(folder: Path, content: str = "content") -> None:
    with new_folder(folder, {"number": 3}) as temporary:
        (temporary / "inner").mkdir()
        (temporary / "inner" / "file").write_text(content)
        (temporary / "empty").touch()


def test_what_is_written_is_whole(tmp_path: Path) -> None:
    write(tmp_path / "folder")
    assert is_whole(tmp_path / "folder")
    assert facts_of(tmp_path / "folder") == {"number": 3}
    assert (tmp_path / "folder" / "inner" / "file").read_text() == "content"
    assert names(tmp_path) == ["folder"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "folder") as temporary:
            (temporary / "file").touch()
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == []


def test_the_first_to_finish_stays(tmp_path: Path) -> None:
    with new_folder(tmp_path / "folder") as temporary:
        (temporary / "file").write_text("second")
        write(tmp_path / "folder", "first")
    assert (tmp_path / "folder" / "inner" / "file").read_text() == "first"
    assert names(tmp_path) == ["folder"]


@pytest.mark.parametrize("damage", ["changed", "shorter", "missing", "no manifest", "odd manifest", "no folder"])
def test_damage_is_seen(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "folder"
    write(folder)
    file, manifest = folder / "inner" / "file", folder / "manifest.json"
    {
        "changed": lambda: file.write_text("CONTENT"),
        "shorter": lambda: os.truncate(file, 3),
        "missing": file.unlink,
        "no manifest": manifest.unlink,
        "odd manifest": lambda: manifest.write_text("[3]"),
        "no folder": lambda: folder.rename(tmp_path / "other"),
    }[damage]()
    assert not is_whole(folder)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(RequestError, match="there is a file where a folder should be"):
            write(folder)


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    old, new = tmp_path / ".folder.1.0.part", tmp_path / ".other.2.0.part"
    for left in (old, new):
        left.mkdir()
        (left / "file").touch()
    (tmp_path / ".stdin.3.part").touch()
    for left in (old, tmp_path / ".stdin.3.part"):
        os.utime(left, (time.time() - 90_000,) * 2)
    write(tmp_path / "folder")
    assert names(tmp_path) == [".other.2.0.part", "folder"]


@pytest.mark.parametrize("process", [10**30, float("inf"), "none", 2**30])
def test_a_lock_that_no_process_holds_is_none(process: object, tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text(json.dumps({"machine": platform.node(), "process": process}))
    assert not is_locked(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff", b"null"])
def test_a_lock_with_damaged_content_is_one_while_it_is_held(content: bytes, tmp_path: Path) -> None:
    with locked_new_folder(tmp_path / "folder") as folder:
        lock = next(path for path in folder.iterdir() if path.is_file())
        lock.write_bytes(content)
        assert is_locked(folder)
    folder.mkdir()
    assert not is_locked(folder)
    lock.write_bytes(content)
    assert not is_locked(folder)
