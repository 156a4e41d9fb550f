"""Sentence vectors: the mean of the word vectors, their sum, or smooth inverse frequency (SIF)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from seqloom.errors import RequestError, unknown_name
from seqloom.models.word_vectors.table import VectorTable

How = Literal["mean", "sum", "sif"]
_SIF = 1e-3


def sentence_rows(
    table: VectorTable, sentences: Sequence[str], how: How = "mean", rare: float = _SIF
) -> Float[NDArray[np.float32], "sentences dim"]:
    """Words are separated by whitespace. A sentence without known words gives zeros.

    `sif`: smooth inverse frequency (Arora et al. 2017, algorithm 1): a word of frequency p has the weight
    `rare` / (`rare` + p); the component along the first singular vector of all `sentences` is subtracted.
    """
    if how not in get_args(How):
        raise unknown_name("kind of sentence vector", how, get_args(How))
    rows = np.zeros((len(sentences), table.dim), np.float32)
    for row, sentence in zip(rows, sentences, strict=True):
        words = sentence.split()
        known = [(word, vector) for word in words if (vector := table.find(word)) is not None]
        if known:
            vectors = np.stack([vector for _, vector in known])
            weights = _weights(table, [word for word, _ in known], rare) if how == "sif" else np.ones(len(known))
            row[:] = weights @ vectors / (1 if how == "sum" else len(known))
    return _without_common(rows) if how == "sif" else rows


def _weights(table: VectorTable, words: Sequence[str], rare: float) -> NDArray[np.float64]:
    if table.counts is None:
        raise RequestError(
            "the frequency of the words is unknown", where="sif", expected="vectors of a run, not of a file"
        )
    total = table.counts.sum()
    places = [table.place(word) for word in words]
    shares = np.array([0.0 if place is None else table.counts[place] / total for place in places])
    return rare / (rare + shares)


def _without_common(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    _, vectors = np.linalg.eigh(rows.T.astype(np.float64) @ rows)
    common = vectors[:, -1]
    return (rows - np.outer(rows @ common, common)).astype(np.float32)
