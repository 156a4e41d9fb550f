"""A disk that is full at any moment: what was saved before is whole, and the training resumes when there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from seqloom.errors import SeqloomError
from seqloom.tasks import tasks
from tests.faults.campaign import SECONDS, SEED, campaign, random_for
from tests.faults.children import in_child
from tests.faults.test_kills import bits
from tests.support.small_tasks import SMALL_TASKS

NAMES = list(tasks)
_DISKS = max(1, round(SECONDS / 200))


def _mount(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None or not _mount(folder, "size=64m"):
        pytest.skip("a file system cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk(name: str, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache and the run are on it."""
    monkeypatch.setenv("SEQLOOM_CACHE", str(disk / "cache"))
    small, rng = SMALL_TASKS[name], random_for(f"disk {name}")
    data = small.data(tmp_path)

    def train() -> int:
        try:
            small.train(name, data, disk / "run", resume=True)
        except SeqloomError as error:
            return error.exit_status
        return 0

    assert in_child(train) == 0
    expected, used = bits(disk / "run"), int(subprocess.check_output(["du", "-sk", disk]).split()[0])
    for _ in range(_DISKS):
        for folder in disk.iterdir():
            shutil.rmtree(folder)
        subprocess.run(["mount", "-o", f"remount,size={rng.randint(4, max(used, 8))}k", str(disk)], check=True)
        status = in_child(train)
        campaign.counts["full disks"] += status == 1
        assert status in (0, 1), f"SEQLOOM_FAULT_SEED={SEED}"
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert in_child(train) == 0
        assert bits(disk / "run") == expected
