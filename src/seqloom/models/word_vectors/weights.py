"""The weights of word vectors as flat rows, and the vectors of words as means of rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.data.tokenizer import SPECIALS
from seqloom.models.word_vectors.subwords import WordRows

_CACHE_LINE, _ROWS_AT_ONCE = 16, 1 << 10


class Weights(NamedTuple):
    """Flat rows of `stride` numbers; see `Network`."""

    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32]


def zero_rows(rows: int, stride: int) -> NDArray[np.float32]:
    """A flat array of zeros, aligned to a cache line."""
    buffer = np.zeros(rows * stride + _CACHE_LINE, np.float32)
    first = -(buffer.ctypes.data // 4) % _CACHE_LINE
    return buffer[first : first + rows * stride]


def random_rows(rows: int, stride: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Flat rows of `dim` random numbers from -0.5 / dim to 0.5 / dim, as in word2vec; those of the special tokens are
    zeros."""
    flat = zero_rows(rows, stride)
    matrix, generator = flat.reshape(rows, stride)[:, :dim], np.random.default_rng(seed)
    for first in range(len(SPECIALS), rows, _ROWS_AT_ONCE):
        block = matrix[first : first + _ROWS_AT_ONCE]
        block[:] = (generator.random(block.shape, dtype=np.float32) - np.float32(0.5)) / np.float32(dim)
    return flat


def padded_rows(matrix: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
    """The rows of a matrix as flat rows of `stride` numbers; a copy only if the matrix is narrower."""
    rows, dim = matrix.shape
    if dim == stride:
        return matrix.reshape(-1)
    flat = zero_rows(rows, stride)
    flat.reshape(rows, stride)[:, :dim] = matrix
    return flat


def composed_vectors(inputs: NDArray[np.float32], word_rows: WordRows, words: int) -> NDArray[np.float32]:
    """(words, dim): the vector of each of the first `words`, which is the mean of its rows among the `inputs` (rows,
    dim)."""
    if not len(word_rows.rows):
        return inputs[:words]
    starts, numbers = word_rows
    vectors = np.empty((words, inputs.shape[1]), np.float32)
    for word in range(words):
        vectors[word] = inputs[numbers[starts[word] : starts[word + 1]]].mean(0)
    return vectors


def own_rows(vectors: NDArray[np.float32], inputs: NDArray[np.float32], word_rows: WordRows) -> NDArray[np.float32]:
    """(words, dim): the own row of each word with these `vectors`, which are means of it and of the rows of its
    n-grams among the `inputs`."""
    if not len(word_rows.rows):
        return vectors
    starts, numbers = word_rows
    rows = np.empty_like(vectors)
    for word in range(len(rows)):
        others = numbers[starts[word] : starts[word + 1]]
        others = others[others != word]
        sums = vectors[word].astype(np.float64) * (len(others) + 1)
        rows[word] = sums - inputs[others].sum(0, dtype=np.float64)
    return rows
