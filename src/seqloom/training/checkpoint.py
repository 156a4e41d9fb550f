"""Checkpoints of a network in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from seqloom.storage.tensors import read_tensors, tensor_entries
from seqloom.training.budget import Progress
from seqloom.training.checkpoint_folder import current_checkpoint, read_progress, write_checkpoint


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
    average = {str(i): tensor.cpu() for i, tensor in enumerate(checkpoint.average)}
    ranks = {f"{rank}.{i}": t for rank, tensors in enumerate(checkpoint.ranks) for i, t in enumerate(tensors)}
    files = {"model": checkpoint.model, "average": average, "optimizer": checkpoint.optimizer, "ranks": ranks}
    write_checkpoint(folder, checkpoint.progress, {name: tensor_entries(held) for name, held in files.items()})


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The last whole checkpoint under `folder`, or None where there is none.

    Raises SeqloomError where it is damaged.
    """
    current = current_checkpoint(folder)
    if current is None:
        return None
    average = read_tensors(current / "average.safetensors")
    ranks: dict[int, dict[int, Tensor]] = {}
    for key, tensor in read_tensors(current / "ranks.safetensors").items():
        rank, index = map(int, key.split("."))
        ranks.setdefault(rank, {})[index] = tensor
    return Checkpoint(
        model=read_tensors(current / "model.safetensors"),
        average=[average[str(i)] for i in range(len(average))],
        optimizer=read_tensors(current / "optimizer.safetensors"),
        ranks=[[parts[i] for i in sorted(parts)] for _, parts in sorted(ranks.items())],
        progress=read_progress(current),
    )
