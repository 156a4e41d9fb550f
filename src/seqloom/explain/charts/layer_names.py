"""Names of recurrent layers and of blocks on charts."""

from __future__ import annotations

from seqloom.explain.measured import Measured


def layer_names(run: Measured, several: bool) -> dict[str, str]:
    """A name on charts for each recurrent layer of a run: the run's, and what tells its layers from each other. The
    run's name stands alone where it has one layer, and is left out where it is the only run and has more."""
    layers = list(dict.fromkeys([*(r.layer for r in run.reach), *(g.layer for g in run.gates)]))
    words = {layer: [_word(part, several) for part in layer.split(".") if part not in _STRUCTURE] for layer in layers}
    shared = set.intersection(*map(set, words.values())) if words else set()
    names = {layer: " ".join(word for word in words[layer] if word not in shared) for layer in layers}
    if len(set(names.values())) < len(layers):
        names = {layer: layer for layer in layers}
    return {layer: f"{run.name} {name}".strip() if several or not name else name for layer, name in names.items()}


_STRUCTURE = ("layer", "stack")
"""Parts of the names of modules that tell a reader nothing."""


_SHORT = {"encoder": "enc", "decoder": "dec", "forward_layer": "→", "backward_layer": "←"}
"""Beside the name of a run, so that charts keep their width on a telephone."""


def _word(part: str, short: bool) -> str:
    if short and part in _SHORT:
        return _SHORT[part]
    return f"layer {int(part) + 1}" if part.isdigit() else part.removesuffix("_layer")


def block_number(layer: str) -> str:
    """The numbers in the name of a module, counted from 1."""
    return ".".join(str(int(part) + 1) for part in layer.split(".") if part.isdigit())
