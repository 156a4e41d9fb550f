"""Checkpoints: safetensors and JSON, whole or not at all, nothing pickled.

`training/current` names the folder of the last whole checkpoint. A new one is written beside it, then `current` is
replaced in one step, then the old one goes: a crash at any moment leaves a whole checkpoint.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from seqloom.errors import SeqloomError
from seqloom.files import make_folder, reading, write_atomic
from seqloom.models.tensors import read_tensors, write_tensors
from seqloom.training.budget import Progress


@dataclass
class Checkpoint:
    """All that training goes on from. `average`: the averaged weights, where there are any. `ranks[r]` holds what is
    rank r's own: the generator's state and the carried state's tensors."""

    model: dict[str, Tensor]
    average: list[Tensor]
    optimizer: dict[str, Tensor]
    ranks: list[list[Tensor]]
    progress: Progress


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value.cpu() for index, entry in state.items() for name, value in entry.items()}


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes the checkpoint under `folder` and forgets the one before."""
    name = f"update-{checkpoint.progress.updates:09d}"
    new = make_folder(folder) / name
    if _current(folder) == name:
        new = folder / (name := f"{name}-again")
    shutil.rmtree(new, ignore_errors=True)
    make_folder(new)
    try:
        write_tensors(new / "model.safetensors", checkpoint.model)
        average = {str(i): tensor.cpu() for i, tensor in enumerate(checkpoint.average)}
        write_tensors(new / "average.safetensors", average)
        write_tensors(new / "optimizer.safetensors", checkpoint.optimizer)
        ranks = {f"{rank}.{i}": t for rank, tensors in enumerate(checkpoint.ranks) for i, t in enumerate(tensors)}
        write_tensors(new / "ranks.safetensors", ranks)
        write_atomic(new / "progress.json", json.dumps(asdict(checkpoint.progress)))
        write_atomic(folder / "current", name)
    except BaseException:
        if _current(folder) != name:  # an interrupt may come just after it was named
            shutil.rmtree(new, ignore_errors=True)
        raise
    for old in folder.glob("update-*"):
        if old.name != name:
            shutil.rmtree(old, ignore_errors=True)


def _current(folder: Path) -> str | None:
    """The name of the last whole checkpoint under `folder`."""
    pointer = folder / "current"
    if not pointer.exists():
        return None
    with reading(pointer):
        return pointer.read_text()


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The last whole checkpoint under `folder`, or None where there is none.

    Raises SeqloomError where it is damaged.
    """
    name = _current(folder)
    if name is None:
        return None
    current = folder / name
    average = read_tensors(current / "average.safetensors")
    ranks: dict[int, dict[int, Tensor]] = {}
    for key, tensor in read_tensors(current / "ranks.safetensors").items():
        rank, index = map(int, key.split("."))
        ranks.setdefault(rank, {})[index] = tensor
    try:
        with reading(current / "progress.json"):
            progress = Progress(**json.loads((current / "progress.json").read_text()))
    except (TypeError, ValueError) as error:
        where = str(current / "progress.json")
        raise SeqloomError("the checkpoint is damaged", where=where, got=str(error)) from None
    return Checkpoint(
        model=read_tensors(current / "model.safetensors"),
        average=[average[str(i)] for i in range(len(average))],
        optimizer=read_tensors(current / "optimizer.safetensors"),
        ranks=[[parts[i] for i in sorted(parts)] for _, parts in sorted(ranks.items())],
        progress=progress,
    )
