"""The two weight matrices of word vectors, and the parts of their compiled loops that all training methods share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, inlined
from seqloom.models.word_vectors.sampling import LINE_END, Sampler, draw_negative, next_state, random_bits
from seqloom.models.word_vectors.simd import add_product, load, splat, store
from seqloom.models.word_vectors.subwords import WordRows
from seqloom.models.word_vectors.tree import Tree
from seqloom.models.word_vectors.window import TOGETHER


class Network(NamedTuple):
    """`inputs` and `outputs` are flat rows of `stride` numbers. The inputs are the vectors of words, followed by those
    of character n-grams and of documents; row 0 of the outputs stays zero. `is_cbow`: the mean of a context is one
    input; otherwise (skip-gram) each of its words is one. `average_gradient`: CBOW divides the gradient of the mean
    among the words of the context, as is correct for a mean; word2vec.c gives each word the full gradient.
    `first_document`: if it is not 0, every line is a document, whose vector, the input `first_document` + the number of
    the line, is one more in each of its contexts."""

    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32]
    stride: int
    word_rows: WordRows
    sampler: Sampler
    tree: Tree
    window: int
    negatives: int
    is_cbow: bool
    average_gradient: bool
    first_document: int


@inlined
def max_outputs(network: Any) -> int:
    """The largest number of outputs of a window: the longest path in the tree, or the centre and its negative
    samples."""
    begins = network.tree.begins
    if begins.shape[0] == 1:
        return network.negatives + 1
    longest = 1
    for word in range(begins.shape[0] - 1):
        longest = max(longest, begins[word + 1] - begins[word])
    return longest


@inlined
def find_context(words: Array, centre: int, size: int, reach: int, context: Array) -> int:
    """Writes the words around `words[centre]`, at most `reach` away and in its line, into `context`; returns their
    number."""
    count = 0
    j = centre - 1
    while j >= 0 and j >= centre - reach and words[j] != LINE_END:
        context[count] = np.int64(words[j])
        count += 1
        j -= 1
    j = centre + 1
    while j < size and j <= centre + reach and words[j] != LINE_END:
        context[count] = np.int64(words[j])
        count += 1
        j += 1
    return count


# Functions that are called for every window take the arrays instead of the whole `Network`: taking arrays out of a
# tuple changes reference counts, which costs a third of the speed.


@inlined
def choose_outputs(
    centre: int,
    alias_prob: Array,
    alias: Array,
    tree: Any,
    stride: int,
    negatives: int,
    outputs_at: Array,
    signs: Array,
    state: Any,
) -> Any:
    """Selects the outputs of a window. Writes where their rows begin and their signs; returns their number and the new
    state of the random numbers.

    A negative sample that is the centre, or was drawn before for this window, is left out.
    """
    begins, nodes, branches = tree
    count = negatives + 1
    if begins.shape[0] > 1:
        first, count = begins[centre], begins[centre + 1] - begins[centre]
        for o in range(outputs_at.shape[0]):
            lane = o // TOGETHER * 8 + o % TOGETHER
            outputs_at[o] = np.int64(nodes[first + o]) * stride if o < count else 0
            signs[lane] = branches[first + o] if o < count else np.float32(0)
        return count, state
    outputs_at[0], signs[0] = np.int64(centre) * stride, np.float32(1)
    for o in range(1, count):
        lane = o // TOGETHER * 8 + o % TOGETHER
        state = next_state(state)
        at = draw_negative(random_bits(state), alias_prob, alias) * stride
        is_new = True
        for earlier in range(o):
            is_new = is_new and outputs_at[earlier] != at
        outputs_at[o], signs[lane] = (at, np.float32(-1)) if is_new else (0, np.float32(0))
    return count, state


@inlined
def compose_inputs(
    inputs: Array,
    word_rows: Any,
    context: Array,
    count: int,
    stride: int,
    is_cbow: bool,
    hidden: Array,
    inputs_at: Array,
) -> int:
    """Writes the vector of each of the `count` words of a context (CBOW: the mean of all) into `hidden`, and where each
    vector begins into `inputs_at`. Returns the number of vectors. A word's vector is the mean of its rows."""
    starts, rows = word_rows
    has_subwords = rows.shape[0] > 0
    hidden[: (1 if is_cbow else count) * stride] = np.float32(0)
    for c in range(count):
        word, at = context[c], 0 if is_cbow else c * stride
        inputs_at[c] = at
        share = np.float32(1.0 / count) if is_cbow else np.float32(1)
        if has_subwords:
            share = np.float32(share / (starts[word + 1] - starts[word]))
            for row in range(starts[word], starts[word + 1]):
                add_row(hidden, at, inputs, rows[row] * stride, share, stride)
        else:
            add_row(hidden, at, inputs, word * stride, share, stride)
    return 1 if is_cbow else count


@inlined
def add_row(target: Array, target_at: int, row: Array, at: int, factor: Any, width: int) -> None:
    """target += factor * row."""
    factors = splat(factor)
    for j in range(0, width, 8):
        store(target, target_at + j, add_product(load(target, target_at + j), factors, load(row, at + j)))
