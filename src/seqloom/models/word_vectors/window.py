"""The training step of one window: the loss of every input with every output, and an update of both.

The inputs are the rows of the context words (skip-gram) or their mean (CBOW). The outputs are the rows of the centre
(sign +1) and of the negative samples (-1), or those of the inner nodes on the centre's path in the tree. The loss of a
pair is -log sigmoid(sign * input . output), in nats. Since the outputs are shared by a window, all this is a few small
matrix products over rows that fit in the first-level cache (Ji et al. 2016, section III).

Outputs are processed six at a time, as many as there are registers for. A missing output has the position 0, where a
row of zeros stands, and the sign 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seqloom.compiling import Array, inlined
from seqloom.models.word_vectors.simd import (
    add,
    add_product,
    exp_below,
    load,
    multiply,
    negative_part,
    one_minus_sigmoid,
    splat,
    store,
    sums,
)

TOGETHER = 6
"""Outputs that are processed together."""

_ONE, _ZERO = np.float32(1), np.float32(0)
_MOST_FACTORS = 100
"""The number of factors in a product. Each is from 1 to 2, so that the product stays below 2^128, float32's largest
number."""


@inlined
def learn_window(
    inputs: Array,
    inputs_at: Array,
    num_inputs: int,
    outputs: Array,
    outputs_at: Array,
    signs: Array,
    num_outputs: int,
    width: int,
    rate: Any,
    scores: Array,
    tally: Array,
) -> None:
    """Adds the loss to the `tally` and, if `rate` is not 0, updates the rows. `signs` has eight entries for six
    outputs."""
    place = 0
    for first in range(0, num_outputs, TOGETHER):
        score_outputs(
            inputs, inputs_at, num_inputs, outputs, outputs_at, first, signs, place, width, rate, scores, tally
        )
        if rate != _ZERO:
            _update(inputs, inputs_at, num_inputs, outputs, outputs_at, first, width, scores)
        place += 8


@inlined
def new_tally() -> Array:
    """Entries 0 to 7: sums of the linear part of the loss; 8 to 15: products of factors from 1 to 2; 16: the number of
    factors."""
    tally = np.zeros(24, np.float32)
    tally[8:16] = _ONE
    return tally


@inlined
def settled(tally: Array) -> float:
    """The loss in the tally, in nats; resets the tally."""
    total = 0.0
    for lane in range(8):
        total += np.float64(tally[lane]) + math.log(np.float64(tally[8 + lane]))
        tally[lane], tally[8 + lane] = _ZERO, _ONE
    tally[16] = _ZERO
    return total


@inlined
def is_full(tally: Array, num_inputs: int, num_outputs: int) -> bool:
    """Whether the tally must be settled before another window of this size."""
    return bool(tally[16] + num_inputs * (1 + num_outputs // TOGETHER) > _MOST_FACTORS)


@inlined
def score_outputs(
    inputs: Array,
    inputs_at: Array,
    num_inputs: int,
    outputs: Array,
    outputs_at: Array,
    first: int,
    signs: Array,
    place: int,
    width: int,
    rate: Any,
    scores: Array,
    tally: Array,
) -> None:
    """Processes six outputs: `scores[8 * c + o]` becomes rate * sign * sigmoid(-sign * input c . output o)."""
    o0, o1, o2 = outputs_at[first], outputs_at[first + 1], outputs_at[first + 2]
    o3, o4, o5 = outputs_at[first + 3], outputs_at[first + 4], outputs_at[first + 5]
    sign, ones, zero = load(signs, place), splat(_ONE), splat(_ZERO)
    real, step = multiply(sign, sign), multiply(sign, splat(rate))
    lost, factor = load(tally, 0), load(tally, 8)
    c = 0
    while c + 1 < num_inputs:
        at, next_at = inputs_at[c], inputs_at[c + 1]
        a0 = a1 = a2 = a3 = a4 = a5 = zero
        b0 = b1 = b2 = b3 = b4 = b5 = zero
        for j in range(0, width, 8):
            x, w = load(inputs, at + j), load(inputs, next_at + j)
            y = load(outputs, o0 + j)
            a0, b0 = add_product(a0, x, y), add_product(b0, w, y)
            y = load(outputs, o1 + j)
            a1, b1 = add_product(a1, x, y), add_product(b1, w, y)
            y = load(outputs, o2 + j)
            a2, b2 = add_product(a2, x, y), add_product(b2, w, y)
            y = load(outputs, o3 + j)
            a3, b3 = add_product(a3, x, y), add_product(b3, w, y)
            y = load(outputs, o4 + j)
            a4, b4 = add_product(a4, x, y), add_product(b4, w, y)
            y = load(outputs, o5 + j)
            a5, b5 = add_product(a5, x, y), add_product(b5, w, y)
        z = multiply(sign, sums(a0, a1, a2, a3, a4, a5))
        e = multiply(real, exp_below(z))
        store(scores, 8 * c, multiply(step, one_minus_sigmoid(z, e)))
        lost, factor = add(lost, negative_part(z)), multiply(factor, add(e, ones))
        z = multiply(sign, sums(b0, b1, b2, b3, b4, b5))
        e = multiply(real, exp_below(z))
        store(scores, 8 * c + 8, multiply(step, one_minus_sigmoid(z, e)))
        lost, factor = add(lost, negative_part(z)), multiply(factor, add(e, ones))
        c += 2
    if c < num_inputs:
        at = inputs_at[c]
        a0 = a1 = a2 = a3 = a4 = a5 = zero
        for j in range(0, width, 8):
            x = load(inputs, at + j)
            a0 = add_product(a0, x, load(outputs, o0 + j))
            a1 = add_product(a1, x, load(outputs, o1 + j))
            a2 = add_product(a2, x, load(outputs, o2 + j))
            a3 = add_product(a3, x, load(outputs, o3 + j))
            a4 = add_product(a4, x, load(outputs, o4 + j))
            a5 = add_product(a5, x, load(outputs, o5 + j))
        z = multiply(sign, sums(a0, a1, a2, a3, a4, a5))
        e = multiply(real, exp_below(z))
        store(scores, 8 * c, multiply(step, one_minus_sigmoid(z, e)))
        lost, factor = add(lost, negative_part(z)), multiply(factor, add(e, ones))
    store(tally, 0, lost)
    store(tally, 8, factor)
    tally[16] += num_inputs


@inlined
def _update(
    inputs: Array,
    inputs_at: Array,
    num_inputs: int,
    outputs: Array,
    outputs_at: Array,
    first: int,
    width: int,
    scores: Array,
) -> None:
    """input += score * output and output += score * input, both with the rows before the update."""
    o0, o1, o2 = outputs_at[first], outputs_at[first + 1], outputs_at[first + 2]
    o3, o4, o5 = outputs_at[first + 3], outputs_at[first + 4], outputs_at[first + 5]
    for j in range(0, width, 8):
        y0, y1, y2 = load(outputs, o0 + j), load(outputs, o1 + j), load(outputs, o2 + j)
        y3, y4, y5 = load(outputs, o3 + j), load(outputs, o4 + j), load(outputs, o5 + j)
        n0, n1, n2, n3, n4, n5 = y0, y1, y2, y3, y4, y5
        for c in range(num_inputs):
            at, score = inputs_at[c] + j, 8 * c
            x = load(inputs, at)
            g = splat(scores[score])
            new, n0 = add_product(x, g, y0), add_product(n0, g, x)
            g = splat(scores[score + 1])
            new, n1 = add_product(new, g, y1), add_product(n1, g, x)
            g = splat(scores[score + 2])
            new, n2 = add_product(new, g, y2), add_product(n2, g, x)
            g = splat(scores[score + 3])
            new, n3 = add_product(new, g, y3), add_product(n3, g, x)
            g = splat(scores[score + 4])
            new, n4 = add_product(new, g, y4), add_product(n4, g, x)
            g = splat(scores[score + 5])
            new, n5 = add_product(new, g, y5), add_product(n5, g, x)
            store(inputs, at, new)
        store(outputs, o0 + j, n0)
        store(outputs, o1 + j, n1)
        store(outputs, o2 + j, n2)
        store(outputs, o3 + j, n3)
        store(outputs, o4 + j, n4)
        store(outputs, o5 + j, n5)
