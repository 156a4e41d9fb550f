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

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from seqloom.errors import RequestError, SeqloomError
from seqloom.files import make_folder, reading, write_atomic
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


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter once, by its first name (tied ones are one tensor), and every buffer."""
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}


def load_model_tensors(model: nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Raises SeqloomError where names or shapes differ."""
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    if own.keys() != tensors.keys():
        raise SeqloomError(
            "the saved weights are of another network",
            where=str(where),
            got=", ".join(sorted(tensors.keys() - own.keys())) or None,
            expected=", ".join(sorted(own.keys() - tensors.keys())) or None,
        )
    with torch.no_grad():
        for name, tensor in own.items():
            if tensor.shape != tensors[name].shape:
                raise SeqloomError(
                    f"the saved weight {name} has another shape",
                    where=str(where),
                    got=tuple(tensors[name].shape),
                    expected=tuple(tensor.shape),
                )
            tensor.copy_(tensors[name])


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value.cpu() for index, entry in state.items() for name, value in entry.items()}


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    write_atomic(path, safetensors.torch.save({name: t.contiguous() for name, t in tensors.items()}))


def read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        # Copies: a kernel's last bit may depend on where in memory a tensor begins, and in a file it begins anywhere.
        return {name: tensor.clone() for name, tensor in safetensors.torch.load_file(path).items()}
    except FileNotFoundError:
        raise RequestError("the file does not exist", where=str(path)) from None
    except (SafetensorError, OSError) as error:
        raise SeqloomError("the saved tensors could not be read", where=str(path), got=str(error)) from None


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
