"""Memory given back changes nothing that is read; a refusal of memory says what was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from seqloom.compiling import compiled, give_back_compiler
from seqloom.errors import SeqloomError
from seqloom.memory import (
    MemoryPeak,
    give_back_pages,
    keep_freed_memory,
    peak_memory_bytes,
    return_freed_memory,
    within_memory,
)
from seqloom.storage.arrays import copy_into, map_arrays, write_arrays


def resident_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) / 1024


def test_mapped_pages_are_given_back_and_read_again(tmp_path: Path) -> None:
    written = np.arange(1 << 23, dtype=np.uint32)
    write_arrays(tmp_path / "a.safetensors", {"numbers": written}, {})
    mapped = map_arrays(tmp_path / "a.safetensors")["numbers"]
    total = int(mapped.sum())
    if Path("/proc/self/status").exists():
        before = resident_megabytes()
        give_back_pages(mapped[5:])
        assert resident_megabytes() < before - 24
    assert int(mapped.sum()) == total == int(written.sum(dtype=np.uint64))
    give_back_pages(written)  # is not mapped
    assert int(written[-1]) == len(written) - 1


def test_a_mapped_array_is_copied_whole(tmp_path: Path) -> None:
    written = np.random.default_rng(1).normal(size=700_001).astype(np.float32)
    write_arrays(tmp_path / "a.safetensors", {"numbers": written}, {})
    target = np.zeros_like(written)
    copy_into(target, map_arrays(tmp_path / "a.safetensors")["numbers"])
    np.testing.assert_array_equal(target, written)


@compiled
def doubled(numbers: np.ndarray) -> float:
    total = 0.0
    for number in numbers:
        total += 2 * number
    return total


def test_loops_are_compiled_after_the_compiler_was_given_back() -> None:
    give_back_compiler()
    assert doubled(np.ones(3)) == 6
    give_back_compiler()
    assert doubled(np.ones(3)) == 6
    assert doubled(np.ones(3, np.int32)) == 6, "another type of numbers is compiled anew"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell the resident memory")
def test_freed_memory_between_arrays_in_use_is_returned() -> None:
    """Arrays of 500 sizes, every other one freed, as after many updates with batches of other shapes."""
    keep_freed_memory()  # an earlier test may have made this process return them at once
    rng = np.random.default_rng(1)
    arrays = [torch.ones(int(size)) for size in rng.integers(10_000, 100_000, 500)]
    freed_megabytes = sum(array.nbytes for array in arrays[::2]) / 2**20
    arrays = arrays[1::2]
    before = resident_megabytes()
    return_freed_memory()
    assert resident_megabytes() < before - 0.8 * freed_megabytes
    assert all(bool((array == 1).all()) for array in arrays)


def test_the_peak_is_no_less_than_what_is_held() -> None:
    assert peak_memory_bytes() > 20e6


@pytest.mark.parametrize(
    "refusal",
    [MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), RuntimeError("[enforce "
     "fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory")],
)  # fmt: skip
def test_a_refusal_of_memory_is_told(refusal: Exception) -> None:
    with pytest.raises(SeqloomError, match="not enough memory") as caught, within_memory({"model.dim": 7}):
        raise refusal
    assert caught.value.got == "model.dim=7"


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), within_memory({}):
        raise RuntimeError("shapes differ")


def test_the_part_in_which_the_peak_is() -> None:
    memory = MemoryPeak()
    memory.end("nothing")
    assert memory.part == "start"
    held = np.ones(peak_memory_bytes() // 8)
    memory.end("an array")
    del held
    memory.end("nothing more")
    assert memory.part == "an array"
