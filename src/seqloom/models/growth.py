"""Tables of a network that begins from another: the rows of the earlier vocabulary and labels are kept exactly, and new
rows are added after them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.tokenizer import UNK
from seqloom.errors import RequestError

Tensors = Mapping[str, Tensor]

_OF_NEW_DATA = ("class_weights", "ngram.")
"""Tensors that describe the new training data, and are not learnt: the beginnings of their names."""
_LEGAL = "output.legal"
_FEATURES = "ngrams.roots"
_CHANNELS = "encoder.read."


def grown_tensors(earlier: Tensors, fresh: Tensors) -> dict[str, Tensor]:
    """The tensors of a network: those of the `earlier` network, with the rows and columns that only the `fresh` network
    has. The fresh network has the same model, and the vocabulary and labels of the earlier one before the new ones.

    Raises RequestError if the networks differ in more than their vocabulary and labels.
    """
    if _FEATURES in earlier:
        return _grown_bag(earlier, fresh)
    grown = {name: _grown(name, earlier, tensor) for name, tensor in fresh.items()}
    if f"{_CHANNELS}known" in earlier:
        grown |= _grown_channels(earlier, fresh)
    return grown


def _grown(name: str, earlier: Tensors, fresh: Tensor) -> Tensor:
    if name.startswith(_OF_NEW_DATA):
        return fresh
    if name not in earlier:
        raise RequestError("the run to begin from has no such weights", where="--from", got=name)
    if name == _LEGAL:
        return _grown_transitions(earlier[name], fresh)
    return with_rows_of(earlier[name], fresh) if name not in (f"{_CHANNELS}learnt.table.weight",) else fresh


def with_rows_of(earlier: Tensor, fresh: Tensor) -> Tensor:
    """The fresh tensor, with the earlier one in its first rows and columns."""
    if earlier.shape == fresh.shape:
        return earlier
    if earlier.dim() != fresh.dim() or any(a > b for a, b in zip(earlier.shape, fresh.shape, strict=True)):
        raise RequestError(
            "the weights of the run to begin from have another shape",
            where="--from",
            got=tuple(earlier.shape),
            expected=tuple(fresh.shape),
        )
    grown = fresh.clone()
    grown[tuple(slice(size) for size in earlier.shape)] = earlier
    return grown


def _grown_transitions(earlier: Tensor, fresh: Tensor) -> Tensor:
    """Which tag may follow which; the last row and column are the beginning and the end of a sentence."""
    places = torch.tensor([*range(len(earlier) - 1), len(fresh) - 1])
    grown = fresh.clone()
    grown[places[:, None], places] = earlier
    return grown


def _grown_channels(earlier: Tensors, fresh: Tensors) -> dict[str, Tensor]:
    """An embedding with a pretrained channel: a new token that has a trained row in the fresh network gets a new row
    after the earlier ones."""
    rows, table = (earlier[f"{_CHANNELS}{name}"] for name in ("rows", "learnt.table.weight"))
    new = fresh[f"{_CHANNELS}rows"][len(rows) :].clone()
    has_row = new != UNK
    fresh_rows = new[has_row].clone()
    new[has_row] = torch.arange(len(table), len(table) + len(fresh_rows))
    return {
        f"{_CHANNELS}rows": torch.cat([rows, new]),
        f"{_CHANNELS}learnt.table.weight": torch.cat([table, fresh[f"{_CHANNELS}learnt.table.weight"][fresh_rows]]),
    }


def _grown_bag(earlier: Tensors, fresh: Tensors) -> dict[str, Tensor]:
    """A bag of words with the n-grams of both networks. New n-grams begin with weights of 0."""
    numbers = [tensors[_FEATURES].numpy() for tensors in (earlier, fresh)]
    vocab_size, tries = len(numbers[1]), [_Trie(tensors) for tensors in (earlier, fresh)]
    parents, last, places = np.zeros(0, np.int64), np.zeros(0, np.int64), [np.zeros(0, np.int64)] * 2
    for length in range(1, max(trie.longest for trie in tries) + 1):
        keys = [trie.keys(length, place, vocab_size) for trie, place in zip(tries, places, strict=True)]
        united = np.unique(np.concatenate(keys))
        added = [len(last) + np.searchsorted(united, key) for key in keys]
        places = [np.concatenate(parts) for parts in zip(places, added, strict=True)]
        parents = np.concatenate([parents, united // vocab_size - 1])
        last = np.concatenate([last, united % vocab_size])
    alone = int((parents < 0).sum())
    roots = np.full(vocab_size, -1, np.int32)
    roots[last[:alone]] = np.arange(alone)
    first_child = alone + np.searchsorted(parents[alone:], np.arange(len(last) + 1))
    of_earlier, of_fresh = (torch.from_numpy(place) for place in places)
    weights = torch.zeros(len(last))
    weights[of_fresh], weights[of_earlier] = fresh["feature_weights"], earlier["feature_weights"]
    output = torch.zeros(len(last), fresh["output.weight"].shape[1])
    output[of_earlier[:, None], torch.arange(earlier["output.weight"].shape[1])] = earlier["output.weight"]
    return {
        **{name: with_rows_of(earlier[name], fresh[name]) for name in ("bias", "temperature")},
        "class_weights": fresh["class_weights"],
        "feature_weights": weights,
        "output.weight": output,
        "ngrams.roots": torch.from_numpy(roots),
        "ngrams.first_child": torch.from_numpy(first_child.astype(np.int32)),
        "ngrams.last_token": torch.from_numpy(last.astype(np.int32)),
    }


class _Trie:
    """The n-grams of a bag of words, by their length; see `models.ngram_features.NGrams`."""

    def __init__(self, tensors: Tensors) -> None:
        first_child = tensors["ngrams.first_child"].numpy().astype(np.int64)
        self.last = tensors["ngrams.last_token"].numpy().astype(np.int64)
        alone = int((tensors[_FEATURES] >= 0).sum())
        self.parents = np.full(len(self.last), -1, np.int64)
        self.parents[alone:] = np.repeat(np.arange(len(self.last)), np.diff(first_child))
        self.lengths = np.ones(len(self.last), np.int64)
        for number in range(alone, len(self.last)):
            self.lengths[number] = self.lengths[self.parents[number]] + 1

    @property
    def longest(self) -> int:
        return int(self.lengths.max())

    def keys(self, length: int, places: NDArray[np.int64], vocab_size: int) -> NDArray[np.int64]:
        """The n-grams of this length as (place of the parent + 1) * vocab_size + last token. `places`: of the shorter
        n-grams in the united trie."""
        numbers = np.flatnonzero(self.lengths == length)
        parents = self.parents[numbers]
        united = np.where(parents < 0, -1, places[parents]) if length > 1 else parents
        return (united + 1) * vocab_size + self.last[numbers]
