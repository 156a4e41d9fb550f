"""Tables of a network initialised from another: the rows of the earlier vocabulary and labels are kept exactly, and new
rows are added after them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from seqloom.errors import RequestError
from seqloom.storage.tensors import model_tensors

Tensors = Mapping[str, Tensor]


@runtime_checkable
class GrowsItself(Protocol):
    """A module with tensors that do not grow by new rows and columns after the earlier ones."""

    def grown_from(self, earlier: Tensors) -> dict[str, Tensor]:
        """These tensors for a module initialised from another with the tensors `earlier`; this one was built for the
        new data. All names are those within the module."""
        ...


def grown_tensors(earlier: Tensors, network: nn.Module) -> dict[str, Tensor]:
    """The tensors of a network: those of the `earlier` one, with the rows and columns that only `network` has, which
    has the same model, and the vocabulary and labels of the earlier one before the new ones.

    Raises RequestError if the networks differ in more than their vocabulary and labels.
    """
    grown: dict[str, Tensor] = {}
    for path, module in network.named_modules():
        if isinstance(module, GrowsItself):
            prefix = f"{path}." if path else ""
            within = {name.removeprefix(prefix): earlier[name] for name in earlier if name.startswith(prefix)}
            grown |= {prefix + name: tensor for name, tensor in module.grown_from(within).items()}
    fresh = model_tensors(network)
    return {name: grown[name] if name in grown else _grown(name, earlier, fresh[name]) for name in fresh}


def _grown(name: str, earlier: Tensors, fresh: Tensor) -> Tensor:
    """The fresh tensor, with the earlier one in its first rows and columns."""
    if name not in earlier:
        raise RequestError("the run to initialise from has no such weights", where="--from", got=name)
    before = earlier[name]
    if before.shape == fresh.shape:
        return before
    if before.dim() != fresh.dim() or any(a > b for a, b in zip(before.shape, fresh.shape, strict=True)):
        raise RequestError(
            "the weights of the run to initialise from have another shape",
            where="--from",
            got=tuple(before.shape),
            expected=tuple(fresh.shape),
        )
    grown = fresh.clone()
    grown[tuple(slice(size) for size in before.shape)] = before
    return grown
