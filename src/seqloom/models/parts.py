"""The parts of networks by name, such as `embedding` and `encoder`: what can be frozen, and taken from another run."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from seqloom.errors import RequestError, unknown_name

_PARTS = {
    "bias": "output",
    "emit": "output",
    "encoder.layer": "encoder",
    "encoder.read": "embedding",
    "forms.letters": "characters",
    "forms.words": "words",
    "neighbours": "language-model",
    "net": "hidden",
    "network.layer": "layer",
    "network.output": "output",
    "network.shortcut": "shortcut",
}
"""The parts whose names are not the first word of the names of their parameters."""


def part_of(name: str) -> str:
    """The part that a parameter or buffer of this name belongs to."""
    first, *others = name.split(".")
    return _PARTS.get(f"{first}.{others[0]}" if others else first) or _PARTS.get(first, first)


def parts_of(network: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The parameters of each part. A parameter that two parts share, such as the embedding of a tied softmax, belongs
    to the first."""
    parts: dict[str, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        parts.setdefault(part_of(name), []).append(parameter)
    return parts


def freeze(network: nn.Module, names: Sequence[str]) -> None:
    """Excludes these parts of the network from training. Raises RequestError for a name that is not a part."""
    parts = parts_of(network)
    for name in names:
        if name not in parts:
            raise unknown_name("part of this network", name, parts, where="training.freeze")
        for parameter in parts[name]:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise RequestError("nothing is left to train", where="training.freeze", got=", ".join(names))
