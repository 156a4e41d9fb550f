"""Asynchronous training (Recht et al. 2011): each thread trains on a slice of the tokens and updates shared rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqloom.compiling import Array, compiled, inlined, prefetch
from seqloom.models.word_vectors.network import add_row, choose_outputs, compose_inputs, find_context, max_outputs
from seqloom.models.word_vectors.sampling import (
    LINE_END,
    next_state,
    random_below,
    random_bits,
    seed_state,
    subsample,
)
from seqloom.models.word_vectors.simd import add_product, load, multiply, splat, store
from seqloom.models.word_vectors.window import TOGETHER, is_full, learn_window, new_tally, settled

_CACHE_LINE = 16
"""Numbers in a cache line."""


@compiled
def pass_over(ids: Array, first: int, last: int, network: Any, rate: Any, seed: int, number: int, document: int) -> Any:
    """Trains a `Network` on `ids[first:last]` in place, or only measures the loss if `rate` is 0. Returns the summed
    loss in nats and the number of inputs.

    `number` is that of the slice; its random numbers depend on it and on the `seed`. `document`: the line that begins
    at `first` or before it.
    """
    inputs, outputs, stride, word_rows, sampler, tree, window, negatives, is_cbow, average_gradient, first_document = (
        network
    )
    keep_prob, alias_prob, alias = sampler
    composed = is_cbow or word_rows.rows.shape[0] > 0
    most = max_outputs(network)
    blocks = (most + TOGETHER - 1) // TOGETHER
    most_inputs = 2 * window + (1 if first_document else 0)
    words, context = np.empty(last - first, np.int32), np.empty(most_inputs, np.int64)
    inputs_at, scores = np.empty(most_inputs, np.int64), np.empty(8 * most_inputs, np.float32)
    outputs_at, signs = np.zeros((2, blocks * TOGETHER), np.int64), np.zeros((2, blocks * 8), np.float32)
    hidden = np.empty(most_inputs * stride if composed else 1, np.float32)
    before = np.empty_like(hidden)
    sources = hidden if composed else inputs
    num_outputs, tally, total, pairs, now = np.zeros(2, np.int64), new_tally(), 0.0, 0, 0
    size, state = subsample(ids, first, last, keep_prob, seed_state(seed, number), words)
    for i in range(-1, size):
        ahead = 1 - now
        if i + 1 < size and words[i + 1] != LINE_END:
            # One window ahead, so that its rows are fetched from memory while the current one trains.
            next_at, next_signs = outputs_at[ahead], signs[ahead]
            num_outputs[ahead], state = choose_outputs(
                words[i + 1], alias_prob, alias, tree, stride, negatives, next_at, next_signs, state
            )
            for o in range(num_outputs[ahead]):
                for j in range(0, stride, _CACHE_LINE):
                    prefetch(outputs, next_at[o] + j)
        if i >= 0 and words[i] != LINE_END:
            state = next_state(state)
            reach = window - random_below(random_bits(state), window)
            count = find_context(words, i, size, reach, context)
            if first_document:
                context[count] = first_document + document
                count += 1
            if count:
                num_inputs = count
                if composed:
                    num_inputs = compose_inputs(inputs, word_rows, context, count, stride, is_cbow, hidden, inputs_at)
                    before[: num_inputs * stride] = hidden[: num_inputs * stride]
                else:
                    for c in range(count):
                        inputs_at[c] = context[c] * stride
                if is_full(tally, num_inputs, most):
                    total += settled(tally)
                learn_window(
                    sources,
                    inputs_at,
                    num_inputs,
                    outputs,
                    outputs_at[now],
                    signs[now],
                    num_outputs[now],
                    stride,
                    rate,
                    scores,
                    tally,
                )
                if composed and rate != np.float32(0):
                    update_inputs(inputs, word_rows, context, count, stride, is_cbow, average_gradient, hidden, before)
                pairs += num_inputs
        elif i >= 0:
            document += 1
        now = ahead
    return total + settled(tally), pairs


@inlined
def update_inputs(
    inputs: Array,
    word_rows: Any,
    context: Array,
    count: int,
    stride: int,
    is_cbow: bool,
    average_gradient: bool,
    hidden: Array,
    before: Array,
) -> None:
    """Adds the change of `hidden` from `before` to every row of which `hidden` was composed; if the gradient is
    averaged, divided among the words by their share in the mean."""
    starts, rows = word_rows
    share = np.float32(1.0 / count) if is_cbow and average_gradient else np.float32(1)
    for at in range(0, (1 if is_cbow else count) * stride, 8):
        change = add_product(load(hidden, at), load(before, at), splat(np.float32(-1)))
        store(before, at, multiply(change, splat(share)))
    for c in range(count):
        word, at = context[c], 0 if is_cbow else c * stride
        if rows.shape[0] == 0:
            add_row(inputs, word * stride, before, at, np.float32(1), stride)
        else:
            for row in range(starts[word], starts[word + 1]):
                add_row(inputs, rows[row] * stride, before, at, np.float32(1), stride)
