"""The tensors of a network in a safetensors file: written atomically, and loaded if names and shapes agree."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seqloom.errors import RequestError, SeqloomError
from seqloom.storage.arrays import Entry, write_entries

_KINDS = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""The names of number types in safetensors."""


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter once, under its first name (tied parameters are one tensor), and every buffer."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in _named_tensors(model).items()}


@contextlib.contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Raises SeqloomError with the file where tensors that were read from it are missing or have other shapes than the
    block expects."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise SeqloomError(
            "the saved weights belong to a different network", where=str(path), got=f"{type(error).__name__}: {error}"
        ) from error


def load_model_tensors(model: nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Copies tensors into a model. Raises SeqloomError if names or shapes differ, or if a number is NaN."""
    check_model_tensors(model, tensors, where)
    with torch.no_grad():
        for name, tensor in _named_tensors(model).items():
            if bool(tensors[name].isnan().any()):
                raise SeqloomError(f"the saved weight {name} is damaged", where=str(where), got="NaN")
            tensor.copy_(tensors[name])


class _DrawsNoNumbers(TorchFunctionMode):
    """For tensors without memory, torch imports its compiler to draw normal deviates, which takes seconds."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function.__name__.endswith("normal_"):
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


@contextlib.contextmanager
def without_memory() -> Iterator[None]:
    """Tensors that are made meanwhile have a shape, but neither memory nor values."""
    with torch.device("meta"), _DrawsNoNumbers():
        yield


def check_model_tensors(model: nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Raises SeqloomError if the names, shapes or types of the tensors are not those of the model, which may be on
    torch's device `meta`."""
    model_tensors_by_name = _named_tensors(model)
    if model_tensors_by_name.keys() != tensors.keys():
        raise SeqloomError(
            "the saved weights belong to a different network",
            where=str(where),
            got=", ".join(sorted(tensors.keys() - model_tensors_by_name.keys())) or None,
            expected=", ".join(sorted(model_tensors_by_name.keys() - tensors.keys())) or None,
        )
    for name, tensor in model_tensors_by_name.items():
        saved = tensors[name]
        if tensor.shape != saved.shape:
            raise SeqloomError(
                f"the saved weight {name} has a different shape",
                where=str(where),
                got=tuple(saved.shape),
                expected=tuple(tensor.shape),
            )
        if tensor.is_floating_point() != saved.is_floating_point():
            raise SeqloomError(
                f"the saved weight {name} has a different type",
                where=str(where),
                got=saved.dtype,
                expected=tensor.dtype,
            )


def _named_tensors(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes one tensor after the other, so that there is no second copy of all in memory. Raises SeqloomError on
    failure."""
    write_entries(path, tensor_entries(tensors), {})


def tensor_entries(tensors: Mapping[str, Tensor]) -> dict[str, Entry]:
    return {name: _entry(tensor) for name, tensor in tensors.items()}


def _entry(tensor: Tensor) -> Entry:
    flat = tensor.detach().reshape(-1)
    flat = flat.contiguous() if len(flat) else flat.new_empty(0)  # the stride of an empty one may be odd
    content = flat.view(torch.uint8).numpy()
    return Entry(_KINDS[tensor.dtype], tensor.element_size(), tensor.shape, content)


def read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        # Copies: a kernel's last bit may depend on a tensor's alignment in memory, and in a file it has any alignment.
        return {name: tensor.clone() for name, tensor in safetensors.torch.load_file(path).items()}
    except FileNotFoundError:
        raise RequestError("the file does not exist", where=str(path)) from None
    except (SafetensorError, OSError) as error:
        raise SeqloomError("the saved tensors could not be read", where=str(path), got=str(error)) from None
