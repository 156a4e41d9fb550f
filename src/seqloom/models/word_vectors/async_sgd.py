"""A pass over a slice of the tokens: windows are drawn, inputs put together, outputs looked up, both learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqloom.compiling import Array, compiled, inlined, prefetch
from seqloom.models.word_vectors.sampling import END, below, draw_word, drawn, keep_words, next_state, seeded
from seqloom.models.word_vectors.simd import add_product, load, multiply, splat, store
from seqloom.models.word_vectors.window import TOGETHER, is_full, learn_window, new_tally, settled

_LINE = 16
"""Numbers in a cache line."""


@compiled
def pass_over(
    ids: Array,
    first: int,
    last: int,
    draws: Any,
    tree: Any,
    parts: Any,
    inputs: Array,
    outputs: Array,
    stride: int,
    window: int,
    negatives: int,
    joined: bool,
    spread: bool,
    rate: Any,
    seed: int,
    number: int,
) -> Any:
    """Learns from `ids[first:last]` in place; only measures where `rate` is 0. Returns the loss in nats, summed, and
    of how many inputs it is.

    `draws`, `tree`, `parts`: see `Draws`, `Tree` and `Parts`. `joined`: CBOW, the context's mean is one input; then
    `spread`: its gradient is divided among the context's words, as that of a mean is. `number` is the slice's own: its
    random numbers follow from it.
    """
    keep, stay, other = draws
    begins = tree[0]
    composed = joined or parts[1].shape[0] > 0
    most = longest_path(begins) if begins.shape[0] > 1 else negatives + 1
    blocks = (most + TOGETHER - 1) // TOGETHER
    kept, around = np.empty(last - first, np.int32), np.empty(2 * window, np.int64)
    in_at, scores = np.empty(2 * window, np.int64), np.empty(16 * window, np.float32)
    out_at, signs = np.zeros((2, blocks * TOGETHER), np.int64), np.zeros((2, blocks * 8), np.float32)
    hidden = np.empty(2 * window * stride if composed else 1, np.float32)
    before = np.empty_like(hidden)
    sources = hidden if composed else inputs
    counts, tally, total, pairs, now = np.zeros(2, np.int64), new_tally(), 0.0, 0, 0
    size, state = keep_words(ids, first, last, keep, seeded(seed, number), kept)
    for i in range(-1, size):
        ahead = 1 - now
        if i + 1 < size and kept[i + 1] != END:
            # One window ahead, so that its rows are on their way from memory while this one learns.
            chosen, coming = out_at[ahead], signs[ahead]
            counts[ahead], state = choose(kept[i + 1], stay, other, tree, stride, negatives, chosen, coming, state)
            for o in range(counts[ahead]):
                for j in range(0, stride, _LINE):
                    prefetch(outputs, chosen[o] + j)
        if i >= 0 and kept[i] != END:
            state = next_state(state)
            found = context(kept, i, size, window - below(drawn(state), window), around)
            if found:
                num_inputs = found
                if composed:
                    num_inputs = compose(inputs, parts, around, found, stride, joined, hidden, in_at)
                    before[: num_inputs * stride] = hidden[: num_inputs * stride]
                else:
                    for c in range(found):
                        in_at[c] = around[c] * stride
                if is_full(tally, num_inputs, most):
                    total += settled(tally)
                learn_window(
                    sources,
                    in_at,
                    num_inputs,
                    outputs,
                    out_at[now],
                    signs[now],
                    counts[now],
                    stride,
                    rate,
                    scores,
                    tally,
                )
                if composed and rate != np.float32(0):
                    pass_back(inputs, parts, around, found, stride, joined, spread, hidden, before)
                pairs += num_inputs
        now = ahead
    return total + settled(tally), pairs


@inlined
def compose(
    inputs: Array, parts: Any, around: Array, found: int, stride: int, joined: bool, hidden: Array, in_at: Array
) -> int:
    """Puts the vector of each word of a context, or where they are `joined` the mean of all, into `hidden`, and where
    each begins into `in_at`. Returns how many there are. A word's vector is the mean of its parts' rows."""
    starts, rows = parts
    divided, plain = rows.shape[0] > 0, rows.shape[0] == 0
    hidden[: (1 if joined else found) * stride] = np.float32(0)
    for c in range(found):
        word, at = around[c], 0 if joined else c * stride
        in_at[c] = at
        share = np.float32(1.0 / found) if joined else np.float32(1)
        if plain:
            add_row(hidden, at, inputs, word * stride, share, stride)
        if divided:
            share = np.float32(share / (starts[word + 1] - starts[word]))
            for part in range(starts[word], starts[word + 1]):
                add_row(hidden, at, inputs, rows[part] * stride, share, stride)
    return 1 if joined else found


@inlined
def pass_back(
    inputs: Array,
    parts: Any,
    around: Array,
    found: int,
    stride: int,
    joined: bool,
    spread: bool,
    hidden: Array,
    before: Array,
) -> None:
    """Moves every row that `hidden` was composed of as far as `hidden` has moved from `before`, or where it is to be
    `spread`, by the share that each word has in the mean."""
    starts, rows = parts
    share = np.float32(1.0 / found) if joined and spread else np.float32(1)
    for at in range(0, (1 if joined else found) * stride, 8):
        moved = add_product(load(hidden, at), load(before, at), splat(np.float32(-1)))
        store(before, at, multiply(moved, splat(share)))
    for c in range(found):
        word, at = around[c], 0 if joined else c * stride
        if rows.shape[0] == 0:
            add_row(inputs, word * stride, before, at, np.float32(1), stride)
        else:
            for part in range(starts[word], starts[word + 1]):
                add_row(inputs, rows[part] * stride, before, at, np.float32(1), stride)


@inlined
def add_row(to: Array, to_at: int, row: Array, at: int, factor: Any, width: int) -> None:
    times = splat(factor)
    for j in range(0, width, 8):
        store(to, to_at + j, add_product(load(to, to_at + j), times, load(row, at + j)))


@inlined
def longest_path(begins: Array) -> int:
    longest = 1
    for word in range(begins.shape[0] - 1):
        longest = max(longest, begins[word + 1] - begins[word])
    return longest


@inlined
def context(kept: Array, i: int, size: int, reach: int, around: Array) -> int:
    """The words around `i`, at most `reach` away and in its line; how many there are."""
    found = 0
    j = i - 1
    while j >= 0 and j >= i - reach and kept[j] != END:
        around[found] = np.int64(kept[j])
        found += 1
        j -= 1
    j = i + 1
    while j < size and j <= i + reach and kept[j] != END:
        around[found] = np.int64(kept[j])
        found += 1
        j += 1
    return found


@inlined
def choose(
    centre: int,
    stay: Array,
    other: Array,
    tree: Any,
    stride: int,
    negatives: int,
    out_at: Array,
    signs: Array,
    state: Any,
) -> Any:
    """The outputs of a window: where their rows begin, and their signs; how many, and the state of the random numbers.

    A negative that is the centre, or has been drawn before, is left out.
    """
    begins, nodes, branches = tree
    count = negatives + 1
    if begins.shape[0] > 1:
        first, count = begins[centre], begins[centre + 1] - begins[centre]
        for o in range(out_at.shape[0]):
            lane = o // TOGETHER * 8 + o % TOGETHER
            out_at[o] = np.int64(nodes[first + o]) * stride if o < count else 0
            signs[lane] = branches[first + o] if o < count else np.float32(0)
        return count, state
    out_at[0], signs[0] = np.int64(centre) * stride, np.float32(1)
    for o in range(1, count):
        lane = o // TOGETHER * 8 + o % TOGETHER
        state = next_state(state)
        at = draw_word(drawn(state), stay, other) * stride
        fresh = True
        for earlier in range(o):
            fresh = fresh and out_at[earlier] != at
        out_at[o], signs[lane] = (at, np.float32(-1)) if fresh else (0, np.float32(0))
    return count, state
