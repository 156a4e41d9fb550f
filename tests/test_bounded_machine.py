"""In a container or beside an affinity mask, threads and memory are what this process may use."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seqloom.memory import available_bytes
from seqloom.processors import default_threads, processor_quota

VERSION_2 = "31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
VERSION_1 = "31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
DOCKER_1 = VERSION_1.replace(" / ", " /docker/abc ")
CPUSET = "32 23 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset"

MACHINES: dict[str, tuple[str, str, dict[str, str], float]] = {
    "version 2, the group itself": ("0::/job", VERSION_2, {"job": "150000 100000"}, 1.5),
    "version 2, a group above it": ("0::/app/job", VERSION_2, {"app": "100000 100000", "app/job": "max 100000"}, 1.0),
    "version 2, the least of both": (
        "0::/app/job",
        VERSION_2,
        {"app": "300000 100000", "app/job": "50000 100000"},
        0.5,
    ),
    "version 2, a container that sees itself as the root": ("0::/", VERSION_2, {".": "200000 100000"}, 2.0),
    "version 2, moved out of what is visible": ("0::/../other", VERSION_2, {".": "200000 100000"}, 2.0),
    "version 2, no limit": ("0::/job", VERSION_2, {"job": "max 100000"}, math.inf),
    "version 1": (
        "4:cpuset:/\n3:cpu,cpuacct:/job",
        f"{CPUSET}\n{VERSION_1}",
        {"cpu,cpuacct/job": "250000/100000"},
        2.5,
    ),
    "version 1, no limit": ("3:cpu,cpuacct:/job", VERSION_1, {"cpu,cpuacct/job": "-1/100000"}, math.inf),
    "version 1, a container with its own group mounted": (
        "3:cpu,cpuacct:/docker/abc",
        DOCKER_1,
        {"cpu,cpuacct": "100000/100000"},
        1.0,
    ),
    "both versions": (
        "3:cpu,cpuacct:/job\n0::/job",
        f"{VERSION_2.replace('cgroup rw', 'cgroup/unified rw')}\n{VERSION_1}",
        {"cpu,cpuacct/job": "400000/100000", "unified/job": "300000 100000"},
        3.0,
    ),
    "no control groups": ("", "", {}, math.inf),
}


def make_machine(root: Path, groups: str, mounts: str, quotas: dict[str, str]) -> Path:
    """A folder with the files of `/proc` and `/sys` that tell the quotas."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups + "\n")
    (root / "proc/self/mountinfo").write_text(f"23 1 8:1 / / rw - ext4 /dev/sda1 rw\n{mounts}\n")
    for group, quota in quotas.items():
        folder = root / "sys/fs/cgroup" / group
        folder.mkdir(parents=True, exist_ok=True)
        if "/" in quota:
            for name, value in zip(("quota", "period"), quota.split("/"), strict=True):
                (folder / f"cpu.cfs_{name}_us").write_text(value + "\n")
        else:
            (folder / "cpu.max").write_text(quota + "\n")
    return root


@pytest.mark.parametrize("machine", MACHINES)
def test_the_quota_is_the_least_of_all_groups(machine: str, tmp_path: Path) -> None:
    groups, mounts, quotas, expected = MACHINES[machine]
    assert processor_quota(make_machine(tmp_path, groups, mounts, quotas)) == expected


def test_without_proc_there_is_no_quota(tmp_path: Path) -> None:
    assert processor_quota(tmp_path) == math.inf


@pytest.mark.parametrize(
    ("quota", "affinity", "variable", "threads"),
    [
        ("max 100000", 8, None, 8),
        ("100000 100000", 8, None, 1),
        ("50000 100000", 8, None, 1),
        ("250000 100000", 8, None, 2),
        ("400000 100000", 3, None, 3),
        ("100000 100000", 8, "4", 4),
        ("max 100000", 8, "2,1", 2),
        ("200000 100000", 8, "many", 2),
        ("200000 100000", 8, "0", 2),
    ],
)
def test_the_number_of_threads(
    quota: str, affinity: int, variable: str | None, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    assert default_threads(make_machine(tmp_path, "0::/job", VERSION_2, {"job": quota})) == threads


MEMORY_1 = "33 23 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
MEMORY: dict[str, tuple[str, str, dict[str, str], int]] = {
    "no control groups": ("", "", {}, 512_000),
    "version 2, no limit": ("0::/job", VERSION_2, {"job/memory.max": "max", "job/memory.current": "1000"}, 512_000),
    "version 2, a container that sees itself as the root": (
        "0::/",
        VERSION_2,
        {"memory.max": "300000", "memory.current": "100000"},
        200_000,
    ),
    "version 2, a group above it": (
        "0::/app/job",
        VERSION_2,
        {"app/memory.max": "300000", "app/memory.current": "200000"}
        | {"app/job/memory.max": "max", "app/job/memory.current": "100000"},
        100_000,
    ),
    "version 2, full of pages of files": (
        "0::/job",
        VERSION_2,
        {"job/memory.max": "300000", "job/memory.current": "300000"}
        | {"job/memory.stat": "anon 50000\nfile 250000\ninactive_file 240000"},
        240_000,
    ),
    "version 1, full of pages of files": (
        "4:memory:/job\n3:cpu:/",
        MEMORY_1,
        {"memory/job/memory.limit_in_bytes": "300000", "memory/job/memory.usage_in_bytes": "290000"}
        | {"memory/job/memory.stat": "inactive_file 1\ntotal_inactive_file 5000"},
        15_000,
    ),
    "more than the machine has": (
        "0::/job",
        VERSION_2,
        {"job/memory.max": "900000", "job/memory.current": "0"},
        512_000,
    ),
}


@pytest.mark.parametrize("machine", MEMORY)
def test_the_available_memory_is_the_least_of_the_machine_and_all_groups(machine: str, tmp_path: Path) -> None:
    groups, mounts, files, expected = MEMORY[machine]
    make_machine(tmp_path, groups, mounts, {})
    (tmp_path / "proc/meminfo").write_text("MemTotal: 900 kB\nMemFree: 100 kB\nMemAvailable: 500 kB\n")
    for name, content in files.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content + "\n")
    assert available_bytes(tmp_path) == expected


def test_without_proc_the_available_memory_is_unknown(tmp_path: Path) -> None:
    assert available_bytes(tmp_path) is None


@pytest.fixture
def group_of_one_processor() -> Iterator[Path]:
    """A control group of this machine that may use one processor; skips where none can be made."""
    if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor: a quota would change nothing")
    for parent, limits in (
        ("/sys/fs/cgroup/cpu", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"}),
        ("/sys/fs/cgroup", {"cpu.max": "100000 100000"}),
    ):
        group = Path(parent) / f"seqloom-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            for name, value in limits.items():
                (group / name).write_text(value)
        except OSError:
            group.rmdir()
            continue
        yield group
        group.rmdir()
        return
    pytest.skip("no control group with a quota can be made here: it takes root and a writable /sys/fs/cgroup")


TRAIN = """
import json, sys, seqloom, torch
from seqloom.memory import available_bytes
from seqloom.processors import num_threads
before = num_threads()
run = seqloom.train("language-model", sys.argv[1], model="rnn", updates=1, out=sys.argv[2], quiet=True,
                    settings={"model.hidden_size": 8, "embedding.dim": 8})
print(json.dumps([before, num_threads(), torch.get_num_threads(), run.summary["threads"]]))
"""


def test_a_training_in_a_container_of_one_processor_has_one_thread(
    group_of_one_processor: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("".join(f"the {number} of {number % 7} words\n" for number in range(60)))
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    enter = f"echo $$ > {group_of_one_processor}/cgroup.procs && exec {sys.executable} - {text} {tmp_path / 'run'}"
    done = subprocess.run(
        ["sh", "-c", enter], input=TRAIN, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [1, 1, 1, 1]
