"""Compiled loops that learn the vectors of new documents while the words and the outputs stay as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqloom.compiling import Array, compiled, inlined
from seqloom.models.word_vectors.network import add_row, choose_outputs, find_context, max_outputs
from seqloom.models.word_vectors.sampling import (
    LINE_END,
    next_state,
    random_below,
    random_bits,
    seed_state,
    subsample,
)
from seqloom.models.word_vectors.window import TOGETHER, is_full, new_tally, score_outputs, settled


@compiled
def infer(
    ids: Array,
    offsets: Array,
    middles: Array,
    first: int,
    last: int,
    network: Any,
    dim: int,
    vectors: Array,
    passes: int,
    rate: float,
    last_rate: float,
) -> Any:
    """Learns the `vectors` of the lines `first` to `last` - 1 from the tokens before the middle of each; `ids` and
    `offsets` are those of a `TokenFile`. Returns the summed loss of the tokens after the middles, in nats, and the
    number of windows that it is of.

    A vector depends on its line alone: it begins as random numbers that are drawn from the ids of the line.
    """
    stride, most, total, windows = network.stride, max_outputs(network), 0.0, 0
    for line in range(first, last):
        begin, middle, end, at = offsets[line], middles[line], offsets[line + 1], line * stride
        seed = np.uint64(0)
        for i in range(begin, middle):
            seed = seed * np.uint64(6364136223846793005) + np.uint64(ids[i]) + np.uint64(1)
        state = seed_state(1, np.int64(seed >> np.uint64(2)))
        for j in range(stride):
            vectors[at + j] = np.float32(0)
        for j in range(dim):
            state = next_state(state)
            vectors[at + j] = np.float32((random_below(random_bits(state), 1 << 24) / (1 << 24) - 0.5) / dim)
        for number in range(passes):
            step = rate - (rate - last_rate) * number / passes
            state = _read(ids, begin, middle, network, most, vectors, at, np.float32(step), state)[2]
        loss, count, state = _read(ids, middle, end, network, most, vectors, at, np.float32(0), state)
        total, windows = total + loss, windows + count
    return total, windows


@inlined
def _read(
    ids: Array, begin: int, end: int, network: Any, most: int, vectors: Array, at: int, rate: Any, state: Any
) -> Any:
    """One pass over `ids[begin:end]`, which changes the vector that begins at `at`; a window has `most` outputs at
    most. Returns the summed loss, the number of windows and the new state of the random numbers."""
    inputs, outputs, stride, _, sampler, tree, window, negatives, is_cbow, average_gradient, _ = network
    keep_prob, alias_prob, alias = sampler
    blocks = (most + TOGETHER - 1) // TOGETHER
    outputs_at, signs = np.zeros(blocks * TOGETHER, np.int64), np.zeros(blocks * 8, np.float32)
    words, context = np.empty(end - begin, np.int32), np.empty(2 * window + 1, np.int64)
    hidden, gradient = np.empty(stride, np.float32), np.empty(stride, np.float32)
    inputs_at, scores = np.zeros(1, np.int64), np.empty(8, np.float32)
    tally, total, windows = new_tally(), 0.0, 0
    size, state = subsample(ids, begin, end, keep_prob, state, words)
    for i in range(size):
        if words[i] == LINE_END:
            continue
        state = next_state(state)
        count = 0
        if is_cbow:
            count = find_context(words, i, size, window - random_below(random_bits(state), window), context)
        num_outputs, state = choose_outputs(
            words[i], alias_prob, alias, tree, stride, negatives, outputs_at, signs, state
        )
        share = np.float32(1.0 / (count + 1))
        hidden[:] = np.float32(0)
        gradient[:] = np.float32(0)
        add_row(hidden, 0, vectors, at, share, stride)
        for c in range(count):
            add_row(hidden, 0, inputs, context[c] * stride, share, stride)
        if is_full(tally, 1, most):
            total += settled(tally)
        for block in range((num_outputs + TOGETHER - 1) // TOGETHER):
            o = block * TOGETHER
            score_outputs(hidden, inputs_at, 1, outputs, outputs_at, o, signs, block * 8, stride, rate, scores, tally)
            if rate != np.float32(0):
                for k in range(TOGETHER):
                    add_row(gradient, 0, outputs, outputs_at[o + k], scores[k], stride)
        if rate != np.float32(0):
            add_row(vectors, at, gradient, 0, share if average_gradient else np.float32(1), stride)
        windows += 1
    return total + settled(tally), windows, state
