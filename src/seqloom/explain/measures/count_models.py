"""Models without recurrence: the n-grams that speak for a class, and the back-off of n-gram models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seqloom.compiling import Array, compiled
from seqloom.data.token_file import TokenFile
from seqloom.models.bag_of_words import BagOfWords
from seqloom.models.ngram.model import NgramModel
from seqloom.models.ngram.query import after_all, find_after
from seqloom.run import Run

_MOST_WEIGHTS, _TARGETS = 10, 5_000


@dataclass(frozen=True)
class ClassWeights:
    """The n-grams that raise the logit of a class most above the mean over the classes, and by how much in a text of
    this n-gram alone."""

    label: str
    ngrams: list[str]
    weights: list[float]


def class_weights(run: Run) -> list[ClassWeights]:
    model: BagOfWords = run.model
    weights = (model.output.weight * model.feature_weights.sign()[:, None]).detach().double().numpy(force=True)
    weights = weights - weights.mean(1, keepdims=True)
    names = _feature_names(run)
    rows = []
    for number, label in enumerate(run.codec.labels.names):
        order = np.argsort(-weights[:, number], kind="stable")[:_MOST_WEIGHTS].tolist()
        rows.append(ClassWeights(label, [names[i] for i in order], [float(weights[i, number]) for i in order]))
    return rows


def _feature_names(run: Run) -> list[str]:
    """The n-gram of each feature: its parent's, and its last token."""
    ngrams, tokenizer = run.model.ngrams, run.codec.tokenizer
    first, last = np.asarray(ngrams.first_child), np.asarray(ngrams.last_token)
    parents = np.full(len(last), -1)
    for node in range(len(first) - 1):
        parents[first[node] : first[node + 1]] = node
    names: list[str] = []
    for feature, token in enumerate(last.tolist()):
        parent = int(parents[feature])
        piece = tokenizer.token(int(token))
        names.append(f"{names[parent]} {piece}" if 0 <= parent < feature else piece)
    return names


@dataclass(frozen=True)
class BackOff:
    """`shares[i]`: the share of the tokens of a text whose probability an n-gram of `orders[i]` words gave; the shorter
    ones after a back-off."""

    orders: list[int]
    shares: list[float]


def back_off(model: NgramModel, data: TokenFile) -> BackOff:
    """Of at most 5,000 tokens, evenly spread."""
    store, ids = model.store, np.asarray(data.ids).astype(np.int64)
    positions = np.unique(np.linspace(0, len(ids) - 1, min(_TARGETS, len(ids))).astype(np.int64))
    nodes = np.empty(len(positions), np.int64)
    _longest_ngrams(store, ids, positions, nodes)
    counts = np.histogram(nodes, store.starts())[0]
    return BackOff(list(range(1, store.order + 1)), (counts / counts.sum()).tolist())


@compiled
def _longest_ngrams(store: Any, ids: Array, positions: Array, out: Array) -> None:
    """The nodes of the longest n-grams of the model that end at the `positions`."""
    order = store[0].shape[0]
    for i in range(len(positions)):
        end = positions[i]
        context = after_all(store, ids[max(0, end - order + 1) : end])
        out[i] = find_after(store, context, ids[end])[0]
