"""`training.precision=auto` is bfloat16 only where its products are faster than those of float32."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seqloom import runtime
from seqloom.data.batches import Batch, have_one_shape
from seqloom.runtime import Runtime
from seqloom.tasks.network_task import NetworkTask
from seqloom.training import gradients
from tests.support.small_runs import train_small


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        ({"cpu_name": "AMD EPYC 9B45", "avx512_bf16": True, "amx_bf16": False}, True),
        ({"cpu_name": "AMD EPYC 7B13"}, False),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
        ({}, False),
    ],
)
def test_auto_is_bfloat16_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, processor: dict[str, object], expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor)
    assert Runtime.start(device="cpu", threads=torch.get_num_threads()).bfloat16 == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, True),
        ({"data__advance": 3}, True),
        ({"data__mode": "lines"}, False),
        ({"data__mode": "lines", "training__precision": "bfloat16"}, True),
    ],
)
@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="no products in bfloat16 here")
def test_a_processor_has_bfloat16_for_batches_of_one_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], expected: bool
) -> None:
    """Each new shape of a product in bfloat16 is compiled, which took a third of the time of a translator."""
    used = []

    class Recorded(gradients.Objective):
        def __init__(self, task: NetworkTask, model: torch.nn.Module, runtime: Runtime) -> None:
            super().__init__(task, model, runtime)
            used.append(runtime.bfloat16)

    monkeypatch.setattr(gradients, "Objective", Recorded)
    monkeypatch.setattr(runtime, "_is_faster_in_bfloat16", lambda kind: True)  # noqa: ARG005
    train_small(tmp_path / "run", updates=2, **settings)
    assert used == [expected]


class _Batches:
    """Batches of so many steps each, and of a source, padded or not."""

    def __init__(self, widths: list[int], source_lengths: torch.Tensor | None = None) -> None:
        self._widths, self._source_lengths = widths, source_lengths

    def num_steps(self, epoch: int) -> int:  # noqa: ARG002
        return len(self._widths)

    def batch(self, epoch: int, step: int) -> Batch:  # noqa: ARG002
        ids = torch.zeros(2, self._widths[step], dtype=torch.long)
        return Batch(ids, ids, source=torch.zeros(2, 5, dtype=torch.long), source_lengths=self._source_lengths)


@pytest.mark.parametrize(("widths", "expected"), [([3], True), ([2, 7, 7, 7, 7, 4], True), ([7, 7, 6, 7, 7, 7], False)])
def test_the_first_and_the_last_batch_may_have_another_shape(widths: list[int], expected: bool) -> None:
    assert have_one_shape(_Batches(widths)) == expected


def test_a_padded_source_is_of_many_shapes() -> None:
    assert have_one_shape(_Batches([7] * 6))
    assert not have_one_shape(_Batches([7] * 6, torch.tensor([5, 3])))


@pytest.mark.parametrize(("name", "default"), [("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128"), ("LRU_CACHE_CAPACITY", "8")])
def test_the_user_decides_how_many_kernels_are_kept(monkeypatch: pytest.MonkeyPatch, name: str, default: str) -> None:
    monkeypatch.setenv(name, "64")
    Runtime.start(device="cpu", threads=torch.get_num_threads())
    assert os.environ[name] == "64"
    monkeypatch.delenv(name)
    Runtime.start(device="cpu", threads=torch.get_num_threads())
    assert os.environ[name] == default


_PRODUCTS_OF_MANY_SHAPES = """
from pathlib import Path
from seqloom.runtime import Runtime

Runtime.start(device="cpu", threads=1)
import torch

def resident_kilobytes():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])

weight = torch.ones(512, 512, dtype=torch.bfloat16)
for rows in range(1, 701):
    torch.mm(torch.ones(rows, 512, dtype=torch.bfloat16), weight)
    if rows == 200:
        before = resident_kilobytes()
print(resident_kilobytes() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell the resident memory")
@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="no products in bfloat16 here")
def test_memory_does_not_grow_with_the_shapes_of_products() -> None:
    environment = {name: value for name, value in os.environ.items() if "CACHE_CAPACITY" not in name}
    done = subprocess.run(
        [sys.executable, "-c", _PRODUCTS_OF_MANY_SHAPES], env=environment, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 40 * 1024, "500 more shapes took 290 MB where oneDNN keeps 1,024 kernels"
