"""`training.precision=auto` is bfloat16 only where its products are faster than those of float32."""

from __future__ import annotations

import os

import pytest
import torch

from seqloom.runtime import Runtime


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


def test_the_user_decides_how_many_kernels_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.setenv(name, "64")
    Runtime.start(device="cpu", threads=torch.get_num_threads())
    assert os.environ[name] == "64"
    monkeypatch.delenv(name)
    Runtime.start(device="cpu", threads=torch.get_num_threads())
    assert os.environ[name] == "256"
