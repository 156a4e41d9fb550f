"""Addressing of one head over one row: forward, and backward. The equations are those of `nn.memory`."""

from __future__ import annotations

import math
from typing import Any

from seqloom.compiling import Array, inlined
from seqloom.nn.kernels.exponential import exp, log
from seqloom.nn.kernels.numeric import ONE, ZERO, sigmoid, tanh
from seqloom.nn.ntm.addressing import NORM_FLOOR, WEIGHT_FLOOR


@inlined
def softplus(x: Any) -> Any:
    bounded = x if x > ZERO else ZERO
    return bounded + math.log1p(exp(-abs(x)))


@inlined
def softmax(values: Array) -> None:
    """In place."""
    peak, total = values[0], values.dtype.type(0)
    for i in range(values.shape[0]):
        peak = values[i] if values[i] > peak else peak
    for i in range(values.shape[0]):
        values[i] = exp(values[i] - peak)
    for i in range(values.shape[0]):
        total += values[i]
    scale = ONE / total
    for i in range(values.shape[0]):
        values[i] *= scale


@inlined
def instruct(said: Array, width: int, shifts: int, heads: int, write_heads: int) -> None:
    """From numbers of any size to instructions, in place (`Instructions.of`)."""
    start = 0
    for _ in range(heads):
        for j in range(start, start + width):
            said[j] = tanh(said[j])
        start += width
        said[start] = softplus(said[start])
        said[start + 1] = sigmoid(said[start + 1])
        softmax(said[start + 2 : start + 2 + shifts])
        start += 2 + shifts
        said[start] = ONE + softplus(said[start])
        start += 1
    for _ in range(write_heads):
        for j in range(start, start + width):
            said[j] = sigmoid(said[j])
        for j in range(start + width, start + 2 * width):
            said[j] = tanh(said[j])
        start += 2 * width


@inlined
def instruct_backward(said: Array, by_said: Array, width: int, shifts: int, heads: int, write_heads: int) -> None:
    """From the gradient of instructions to that of the numbers they are of, in place."""
    start = 0
    for _ in range(heads):
        for j in range(start, start + width):
            by_said[j] *= ONE - said[j] * said[j]
        start += width
        by_said[start] *= ONE - exp(-said[start])
        by_said[start + 1] *= said[start + 1] * (ONE - said[start + 1])
        start += 2
        mean = said.dtype.type(0)
        for j in range(start, start + shifts):
            mean += said[j] * by_said[j]
        for j in range(start, start + shifts):
            by_said[j] = said[j] * (by_said[j] - mean)
        start += shifts
        by_said[start] *= ONE - exp(ONE - said[start])
        start += 1
    for _ in range(write_heads):
        for j in range(start, start + width):
            by_said[j] *= said[j] * (ONE - said[j])
        for j in range(start + width, start + 2 * width):
            by_said[j] *= ONE - said[j] * said[j]
        start += 2 * width


@inlined
def inverse_norms(memory: Array, out: Array) -> None:
    """One over the norm of every location."""
    floor = memory.dtype.type(NORM_FLOOR * NORM_FLOOR)
    for i in range(out.shape[0]):
        out[i] = floor
    for j in range(memory.shape[0]):
        for i in range(out.shape[0]):
            out[i] += memory[j, i] * memory[j, i]
    for i in range(out.shape[0]):
        out[i] = ONE / math.sqrt(out[i])


@inlined
def inverse_key_norm(said: Array, width: int) -> Any:
    total = said.dtype.type(NORM_FLOOR * NORM_FLOOR)
    for j in range(width):
        total += said[j] * said[j]
    return ONE / math.sqrt(total)


@inlined
def lay_around(values: Array, half: int, ring: Array) -> None:
    """`values` with as many of its other end before and behind as a shift may reach."""
    size = values.shape[0]
    for i in range(size):
        ring[half + i] = values[i]
    for i in range(half):
        ring[half - 1 - i] = values[(size - 1 - i) % size]
        ring[half + size + i] = values[i % size]


@inlined
def address(
    said: Array, shifts: int, memory: Array, norms: Array, before: Array, cosines: Array, content: Array,
    moved: Array, after: Array, gated: Array, ring: Array,
) -> None:  # fmt: skip
    """Writes the cosines K, the content weights w^c, the shifted weights w~ and the weights w of one head.
    `norms`: one over those of the memory; `gated` and `ring` are room to work in."""
    width, size = memory.shape
    strength, gate, half = said[width], said[width + 1], shifts // 2
    for i in range(size):
        cosines[i] = ZERO
    for j in range(width):
        for i in range(size):
            cosines[i] += said[j] * memory[j, i]
    key_norm = inverse_key_norm(said, width)
    for i in range(size):
        cosines[i] *= key_norm * norms[i]
        content[i] = strength * cosines[i]
    softmax(content)
    for i in range(size):
        gated[i] = gate * content[i] + (ONE - gate) * before[i]
    lay_around(gated, half, ring)
    for i in range(size):
        moved[i] = ZERO
    for shift in range(shifts):
        share, start = said[width + 2 + shift], 2 * half - shift
        for i in range(size):
            moved[i] += share * ring[start + i]
    sharpening, floor = said[width + 2 + shifts], said.dtype.type(WEIGHT_FLOOR)
    for i in range(size):
        after[i] = sharpening * log(floor if moved[i] < floor else moved[i])
    softmax(after)


@inlined
def address_backward(
    said: Array, by_said: Array, shifts: int, memory: Array, norms: Array, before: Array, cosines: Array,
    content: Array, moved: Array, after: Array, by_weights: Array, by_memory: Array, gated: Array, by_gated: Array,
    ring: Array,
) -> None:  # fmt: skip
    """From the gradient of the weights w to that of the weights before, in place in `by_weights`; writes that of the
    instructions, and adds to that of the memory."""
    width, size = memory.shape
    strength, gate, half = said[width], said[width + 1], shifts // 2
    sharpening, floor, zero = said[width + 2 + shifts], said.dtype.type(WEIGHT_FLOOR), said.dtype.type(0)
    mean, by_sharpening = zero, zero
    for i in range(size):
        mean += after[i] * by_weights[i]
    for i in range(size):
        by_power = after[i] * (by_weights[i] - mean)
        bounded = floor if moved[i] < floor else moved[i]
        by_sharpening += by_power * log(bounded)
        by_gated[i] = ZERO if moved[i] < floor else sharpening * by_power / bounded
    by_said[width + 2 + shifts] = by_sharpening

    for i in range(size):
        gated[i] = gate * content[i] + (ONE - gate) * before[i]
    lay_around(gated, half, ring)
    for shift in range(shifts):
        total, start = zero, 2 * half - shift
        for i in range(size):
            total += by_gated[i] * ring[start + i]
        by_said[width + 2 + shift] = total
    lay_around(by_gated, half, ring)
    for i in range(size):
        by_gated[i] = ZERO
    for shift in range(shifts):
        share = said[width + 2 + shift]
        for i in range(size):
            by_gated[i] += share * ring[shift + i]

    by_gate, mean = zero, zero
    for i in range(size):
        by_gate += by_gated[i] * (content[i] - before[i])
        mean += by_gated[i] * content[i]
    by_said[width + 1] = by_gate
    by_strength, along = zero, zero
    for i in range(size):
        by_weights[i] = (ONE - gate) * by_gated[i]
        by_exponent = gate * content[i] * (by_gated[i] - mean)
        by_strength += by_exponent * cosines[i]
        gated[i] = strength * by_exponent  # the gradient of the cosine
    by_said[width] = by_strength
    for i in range(size):
        along += gated[i] * cosines[i]
    key_norm = inverse_key_norm(said, width)
    for i in range(size):
        by_gated[i] = gated[i] * key_norm * norms[i]
        gated[i] *= cosines[i] * norms[i] * norms[i]
    for j in range(width):
        total, key = zero, said[j]
        for i in range(size):
            total += by_gated[i] * memory[j, i]
        by_said[j] = total - key * key_norm * key_norm * along
        for i in range(size):
            by_memory[j, i] += by_gated[i] * key - gated[i] * memory[j, i]
