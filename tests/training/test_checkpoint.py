"""Checkpoints: whole or not at all, one kept, tensors that lie in memory as fresh ones do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seqloom.errors import SeqloomError
from seqloom.storage.arrays import Entry, write_entries
from seqloom.storage.tensors import read_tensors, write_tensors
from seqloom.training import checkpoint_folder as module
from seqloom.training.budget import Progress
from seqloom.training.checkpoint import Checkpoint, load_checkpoint


def made(updates: int) -> Checkpoint:
    weights = {"weight": torch.full((3, 5), float(updates)), "bias": torch.zeros(1)}
    ranks = [[torch.arange(4, dtype=torch.uint8), torch.ones(2, 3)] for _ in range(2)]
    return Checkpoint(
        weights,
        [torch.full((2,), 0.5 * updates)],
        {"0.step": torch.tensor(1.0)},
        ranks,
        Progress(updates=updates, best=1.5),
    )


def test_what_is_loaded_is_what_was_saved_last(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None
    for updates in (1, 2, 2):
        save_checkpoint(tmp_path, made(updates))
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert loaded.progress == Progress(updates=2, best=1.5)
    assert torch.equal(loaded.model["weight"], torch.full((3, 5), 2.0))
    assert torch.equal(loaded.average[0], torch.ones(2))
    assert [len(rank) for rank in loaded.ranks] == [2, 2]
    assert loaded.ranks[1][0].dtype == torch.uint8
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    module.write_checkpoint(folder, checkpoint.progress, checkpoint.files())


@pytest.mark.parametrize("broken_at", ["model", "optimizer", "ranks"])
def test_a_save_that_fails_leaves_the_one_before(
    broken_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path, made(1))

    def write(path: Path, entries: dict[str, Entry], metadata: dict[str, str]) -> None:
        if path.stem == broken_at:
            raise SeqloomError("there is no space left on the disk")
        write_entries(path, entries, metadata)

    monkeypatch.setattr(module, "write_entries", write)
    with pytest.raises(SeqloomError, match="no space"):
        save_checkpoint(tmp_path, made(2))
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert loaded.progress.updates == 1
    assert len(list(tmp_path.iterdir())) == 2  # `current` and its folder


def test_an_interrupt_just_after_a_save_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = module.write_atomic

    def write(path: Path, content: bytes | str) -> None:
        original(path, content)
        if path.name == "current":
            raise KeyboardInterrupt

    save_checkpoint(tmp_path, made(1))
    monkeypatch.setattr(module, "write_atomic", write)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, made(2))
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert loaded.progress.updates == 2


def test_tensors_begin_where_fresh_ones_do(tmp_path: Path) -> None:
    """Kernels may round differently for a tensor that begins elsewhere: resuming would differ in the last bit."""
    write_tensors(tmp_path / "t.safetensors", {f"t{i}": torch.rand(i + 1) for i in range(9)})
    assert all(tensor.data_ptr() % 64 == 0 for tensor in read_tensors(tmp_path / "t.safetensors").values())
