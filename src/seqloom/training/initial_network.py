"""A network before its first update initialised from another run: with all its weights, or with the parts that fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from seqloom.config import flatten
from seqloom.data.corpus import Corpus
from seqloom.errors import RequestError, SeqloomError
from seqloom.models.growth import grown_tensors
from seqloom.models.parts import part_of
from seqloom.storage.tensors import load_model_tensors, model_tensors, read_tensors
from seqloom.tasks.network_task import NetworkTask
from seqloom.training.trainer import Initial

_TABLES = ("encoder.read.table.weight", "forms.words.weight", "embedding.table.weight")
"""The names of the embedding of what a network reads; the first that a network has."""
_READERS = ("encoder.", "forms.", "embedding.", "layer.")
"""The beginnings of the names of what reads, which comes before all else in a network."""
_STACKED = re.compile(r"^(stack\.\d+\.)")
_SUBLAYER = re.compile(r".*?\b(stack|blocks|convolutions)\.\d+\.((forward|backward)_layer\.)?")


def initial_network(
    initial: Initial, task: NetworkTask, corpus: Corpus[Any, Any], model: str, settings: Any
) -> tuple[nn.Module, str]:
    """The network, and what was taken from the other run, as text. A resumed network only gets its sizes here."""
    if initial.checkpoint is not None:
        tensors = read_tensors(initial.checkpoint / "model.safetensors")
        return task.rebuild(tensors, model, settings), ""
    tensors = _checked_tensors(initial)
    if initial.is_same_model:
        _check_sizes(initial, task, tensors, model, settings)
        grown = grown_tensors(tensors, task.build(corpus, model, settings))
        network = task.rebuild(grown, model, settings)
        load_model_tensors(network, grown, initial.folder)
        return network, f"all weights{_growth(tensors, grown)}"
    network = task.build(corpus, model, settings)
    return network, _take_what_fits(network, tensors, initial)


def _checked_tensors(initial: Initial) -> dict[str, Tensor]:
    path = initial.weights_file()
    tensors = read_tensors(path)
    damaged = next((name for name, tensor in tensors.items() if bool(tensor.isnan().any())), None)
    if damaged is not None:
        raise SeqloomError(
            "a weight of the run to initialise from is damaged", where=str(path), got=f"NaN in {damaged}"
        )
    return tensors


def _check_sizes(initial: Initial, task: NetworkTask, tensors: Mapping[str, Tensor], model: str, settings: Any) -> None:
    """Raises RequestError if the settings give a network of other sizes than the run has."""
    try:
        network = model_tensors(task.rebuild(tensors, model, settings))
        names = network.keys() ^ tensors.keys() or {n for n in tensors if network[n].shape != tensors[n].shape}
    except (KeyError, RuntimeError, ValueError) as error:
        names = {str(error)}
    if not names:
        return
    earlier, changed = flatten(initial.settings) if initial.settings is not None else {}, flatten(settings)
    differing = {
        name: value
        for name, value in changed.items()
        if earlier.get(name) != value and name.partition(".")[0] not in ("training", "decoding")
    }
    raise RequestError(
        "the weights of the run to initialise from do not fit these settings",
        where=", ".join(differing) or min(names),
        got=", ".join(f"{name}={value}" for name, value in differing.items()) or None,
        expected=", ".join(f"{name}={earlier.get(name)}" for name in differing) or "the settings of that run",
        hint="a run initialised from another keeps the sizes of its layers; leave these settings out",
    )


def _growth(earlier: Mapping[str, Tensor], grown: Mapping[str, Tensor]) -> str:
    rows = {part_of(n): len(grown[n]) - len(earlier[n]) for n in earlier if n in grown and earlier[n].dim()}
    added = [f"{count:,} rows of {part}" for part, count in rows.items() if count > 0]
    return f"; new: {', '.join(added)}" if added else ""


@torch.no_grad()
def _take_what_fits(network: nn.Module, tensors: Mapping[str, Tensor], initial: Initial) -> str:
    """Copies the weights that fit into the network, each sublayer completely or not at all. Returns the parts that were
    taken and those that were not.

    Raises RequestError if none fits.
    """
    named, taken = dict(network.named_parameters()), set[str]()
    sources = dict(_counterparts(named, tensors, initial.is_same_task))
    units: dict[str, list[str]] = {}
    for name in sorted(named, key=lambda name: not name.startswith(_READERS)):
        units.setdefault(_unit(name), []).append(name)
    for names in units.values():
        # What was learnt after another layer means nothing after this one.
        means_the_same = names[0].startswith(_READERS) or _complete("encoder", named, taken)
        if means_the_same and all(name in sources and _fits(name, named, tensors[sources[name]]) for name in names):
            for name in names:
                values = tensors[sources[name]]
                named[name][tuple(slice(size) for size in values.shape)] = values
            taken.update(names)
    return _described(named, taken, initial)


def _unit(name: str) -> str:
    """The sublayer of a parameter, or else its part of the network; a table is a unit of its own."""
    sublayer = _SUBLAYER.match(name)
    return name if name in _TABLES else sublayer[0] if sublayer is not None else part_of(name)


def _fits(name: str, named: Mapping[str, Tensor], values: Tensor) -> bool:
    target = named[name].shape
    if target == values.shape:
        return True
    if len(target) != 2 or values.dim() != 2:
        return False
    if name in _TABLES:
        return target[1] == values.shape[1] and target[0] > values.shape[0]
    # In front of the columns for the vectors of characters are those for the embedding of words.
    return name.endswith("input_weight") and target[0] == values.shape[0] and target[1] > values.shape[1]


def _described(named: Mapping[str, Tensor], taken: set[str], initial: Initial) -> str:
    parts = {part_of(name): None for name in named}
    if not taken:
        raise RequestError(
            "nothing of the run to initialise from fits the new network",
            where="--from",
            got=str(initial.folder),
            expected=f"a run with one of its parts: {', '.join(parts)}",
            hint="the embedding and the layer need the same dimension, hidden size and kind of cell",
        )
    complete = [part for part in parts if _complete(part, named, taken)]
    partly = [part for part in parts if part not in complete and any(part_of(name) == part for name in taken)]
    shown = [*complete, *(f"{part} in part" for part in partly)]
    others = [part for part in parts if part not in (*complete, *partly)]
    return ", ".join(shown) + (f"; not {', '.join(others)}" if others else "")


def _complete(part: str, named: Mapping[str, Tensor], taken: set[str]) -> bool:
    return all(name in taken for name in named if part_of(name) == part)


def _counterparts(
    named: Mapping[str, Tensor], tensors: Mapping[str, Tensor], is_same_task: bool
) -> Iterator[tuple[str, str]]:
    """Yields the names of parameters with those of the earlier weights that mean the same: the embeddings of what is
    read, the layers that read, and in the same task equal names. The forward half of a bidirectional layer takes a
    forward layer, and the other way round."""
    table, earlier_table = (next((name for name in _TABLES if name in names), None) for names in (named, tensors))
    layer, earlier_layer = (_layer_prefix(names) for names in (named, tensors))
    for name in named:
        inner = name.removeprefix(layer)
        if name == table and earlier_table is not None:
            yield name, earlier_table
        elif name.startswith(layer):
            candidates = [inner, inner.replace(".forward_layer.", "."), _STACKED.sub(r"\1forward_layer.", inner)]
            source = next((earlier_layer + c for c in candidates if earlier_layer + c in tensors), None)
            if source is not None:
                yield name, source
        elif is_same_task and name in tensors:
            yield name, name


def _layer_prefix(names: Mapping[str, Tensor]) -> str:
    return "encoder.layer." if any(name.startswith("encoder.layer.") for name in names) else "layer."
