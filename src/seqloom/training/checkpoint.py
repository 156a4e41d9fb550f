"""Checkpoints of a network in training: weights, optimizer, random number generators and carried states."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from seqloom.errors import SeqloomError
from seqloom.storage.arrays import Entry
from seqloom.storage.tensors import read_tensors, tensor_entries
from seqloom.training.budget import Progress
from seqloom.training.checkpoint_folder import current_checkpoint, read_progress


@dataclass
class Checkpoint:
    """All that resuming needs besides the progress. `average`: the averaged weights, if there are any. `ranks[r]`: the
    state of rank r's generator, and the tensors of its carried state."""

    model: dict[str, Tensor]
    average: list[Tensor]
    optimizer: dict[str, Tensor]
    ranks: list[list[Tensor]]
    progress: Progress = field(default_factory=Progress)
    """A separate file, beside those of `files()`."""

    def files(self) -> dict[str, dict[str, Entry]]:
        """The files as `write_checkpoint` takes them."""
        average = {str(i): tensor.cpu() for i, tensor in enumerate(self.average)}
        ranks = {f"{rank}.{i}": t for rank, tensors in enumerate(self.ranks) for i, t in enumerate(tensors)}
        named = {"model": self.model, "average": average, "optimizer": self.optimizer, "ranks": ranks}
        return {name: tensor_entries(tensors) for name, tensors in named.items()}


def read_checkpoint(checkpoint: Path) -> Checkpoint:
    """Reads a checkpoint. Raises SeqloomError if it is damaged."""
    try:
        average = read_tensors(checkpoint / "average.safetensors")
        ranks: dict[int, dict[int, Tensor]] = {}
        for key, tensor in read_tensors(checkpoint / "ranks.safetensors").items():
            rank, index = map(int, key.split("."))
            ranks.setdefault(rank, {})[index] = tensor
        return Checkpoint(
            model=read_tensors(checkpoint / "model.safetensors"),
            average=[average[str(i)] for i in range(len(average))],
            optimizer=read_tensors(checkpoint / "optimizer.safetensors"),
            ranks=[[parts[i] for i in sorted(parts)] for _, parts in sorted(ranks.items())],
            progress=read_progress(checkpoint),
        )
    except (KeyError, ValueError) as error:
        raise SeqloomError("the checkpoint is damaged", where=str(checkpoint), got=repr(error)) from None


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The last complete checkpoint under `folder`, or None."""
    current = current_checkpoint(folder)
    return None if current is None else read_checkpoint(current)


def generator_state(device: str) -> Tensor:
    """The state of the random number generator of this device, which dropout uses."""
    return torch.cuda.get_rng_state(device) if device.startswith("cuda") else torch.get_rng_state()


def set_generator_state(device: str, state: Tensor) -> None:
    if len(state) != len(generator_state(device)):
        return  # saved on another kind of device, where an exact continuation is impossible
    if device.startswith("cuda"):
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
