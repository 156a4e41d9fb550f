"""Tensors come back from a file, of whatever shape and stride."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from seqloom.storage.tensors import read_tensors, write_tensors

TENSORS = {
    "plain": torch.randn(3, 4),
    "transposed": torch.randn(3, 4).T,
    "a number": torch.tensor(3.0),
    "nothing": torch.zeros(0, 4),
    "nothing of no stride": torch.zeros(1).expand(5)[:0],
    "expanded": torch.zeros(1).expand(5),
    "bits": torch.tensor([True, False]),
    "bfloat16": torch.randn(3).bfloat16(),
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_comes_back(name: str, tmp_path: Path) -> None:
    tensor: Tensor = TENSORS[name]
    write_tensors(tmp_path / "file.safetensors", {name: tensor})
    found = read_tensors(tmp_path / "file.safetensors")[name]
    assert found.dtype == tensor.dtype
    assert torch.equal(found, tensor)
