"""Addressing of one head for one row, forward and backward. The equations are those of `nn.ntm.addressing`."""

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
def activate_instructions(instructions: Array, width: int, shifts: int, heads: int, write_heads: int) -> None:
    """Maps unbounded numbers to instructions, in place, as `Instructions.from_raw` does."""
    start = 0
    for _ in range(heads):
        for j in range(start, start + width):
            instructions[j] = tanh(instructions[j])
        start += width
        instructions[start] = softplus(instructions[start])
        instructions[start + 1] = sigmoid(instructions[start + 1])
        softmax(instructions[start + 2 : start + 2 + shifts])
        start += 2 + shifts
        instructions[start] = ONE + softplus(instructions[start])
        start += 1
    for _ in range(write_heads):
        for j in range(start, start + width):
            instructions[j] = sigmoid(instructions[j])
        for j in range(start + width, start + 2 * width):
            instructions[j] = tanh(instructions[j])
        start += 2 * width


@inlined
def activate_instructions_backward(
    instructions: Array, grad_instructions: Array, width: int, shifts: int, heads: int, write_heads: int
) -> None:
    """Turns the gradient of the instructions into that of the unbounded numbers, in place."""
    start = 0
    for _ in range(heads):
        for j in range(start, start + width):
            grad_instructions[j] *= ONE - instructions[j] * instructions[j]
        start += width
        grad_instructions[start] *= ONE - exp(-instructions[start])
        grad_instructions[start + 1] *= instructions[start + 1] * (ONE - instructions[start + 1])
        start += 2
        mean = instructions.dtype.type(0)
        for j in range(start, start + shifts):
            mean += instructions[j] * grad_instructions[j]
        for j in range(start, start + shifts):
            grad_instructions[j] = instructions[j] * (grad_instructions[j] - mean)
        start += shifts
        grad_instructions[start] *= ONE - exp(ONE - instructions[start])
        start += 1
    for _ in range(write_heads):
        for j in range(start, start + width):
            grad_instructions[j] *= instructions[j] * (ONE - instructions[j])
        for j in range(start + width, start + 2 * width):
            grad_instructions[j] *= ONE - instructions[j] * instructions[j]
        start += 2 * width


@inlined
def inverse_norms(memory: Array, out: Array) -> None:
    """Writes 1 / norm of every location."""
    floor = memory.dtype.type(NORM_FLOOR * NORM_FLOOR)
    for i in range(out.shape[0]):
        out[i] = floor
    for j in range(memory.shape[0]):
        for i in range(out.shape[0]):
            out[i] += memory[j, i] * memory[j, i]
    for i in range(out.shape[0]):
        out[i] = ONE / math.sqrt(out[i])


@inlined
def inverse_key_norm(instructions: Array, width: int) -> Any:
    total = instructions.dtype.type(NORM_FLOOR * NORM_FLOOR)
    for j in range(width):
        total += instructions[j] * instructions[j]
    return ONE / math.sqrt(total)


@inlined
def wrap_around(values: Array, half: int, ring: Array) -> None:
    """Writes `values` into `ring`, with `half` values from the other end before and after it."""
    size = values.shape[0]
    for i in range(size):
        ring[half + i] = values[i]
    for i in range(half):
        ring[half - 1 - i] = values[(size - 1 - i) % size]
        ring[half + size + i] = values[i % size]


@inlined
def address(
    instructions: Array, shifts: int, memory: Array, norms: Array, previous: Array, cosines: Array, content: Array,
    shifted: Array, weights: Array, gated: Array, ring: Array,
) -> None:  # fmt: skip
    """Writes the cosines K, the content weights w^c, the shifted weights w~ and the weights w of one head. `norms`: 1 /
    norm of every location; `gated` and `ring` are buffers."""
    width, size = memory.shape
    strength, gate, half = instructions[width], instructions[width + 1], shifts // 2
    for i in range(size):
        cosines[i] = ZERO
    for j in range(width):
        for i in range(size):
            cosines[i] += instructions[j] * memory[j, i]
    key_norm = inverse_key_norm(instructions, width)
    for i in range(size):
        cosines[i] *= key_norm * norms[i]
        content[i] = strength * cosines[i]
    softmax(content)
    for i in range(size):
        gated[i] = gate * content[i] + (ONE - gate) * previous[i]
    wrap_around(gated, half, ring)
    for i in range(size):
        shifted[i] = ZERO
    for shift in range(shifts):
        share, start = instructions[width + 2 + shift], 2 * half - shift
        for i in range(size):
            shifted[i] += share * ring[start + i]
    sharpening, floor = instructions[width + 2 + shifts], instructions.dtype.type(WEIGHT_FLOOR)
    for i in range(size):
        weights[i] = sharpening * log(floor if shifted[i] < floor else shifted[i])
    softmax(weights)


@inlined
def address_backward(
    instructions: Array, grad_instructions: Array, shifts: int, memory: Array, norms: Array, previous: Array,
    cosines: Array, content: Array, shifted: Array, weights: Array, grad_weights: Array, grad_memory: Array,
    gated: Array, grad_gated: Array, ring: Array,
) -> None:  # fmt: skip
    """Turns `grad_weights`, the gradient of the weights w, into that of the previous weights, in place. Writes the
    gradient of the instructions, and adds to that of the memory."""
    width, size = memory.shape
    strength, gate, half = instructions[width], instructions[width + 1], shifts // 2
    sharpening, floor, zero = (
        instructions[width + 2 + shifts],
        instructions.dtype.type(WEIGHT_FLOOR),
        instructions.dtype.type(0),
    )
    mean, grad_sharpening = zero, zero
    for i in range(size):
        mean += weights[i] * grad_weights[i]
    for i in range(size):
        grad_power = weights[i] * (grad_weights[i] - mean)
        bounded = floor if shifted[i] < floor else shifted[i]
        grad_sharpening += grad_power * log(bounded)
        grad_gated[i] = ZERO if shifted[i] < floor else sharpening * grad_power / bounded
    grad_instructions[width + 2 + shifts] = grad_sharpening

    for i in range(size):
        gated[i] = gate * content[i] + (ONE - gate) * previous[i]
    wrap_around(gated, half, ring)
    for shift in range(shifts):
        total, start = zero, 2 * half - shift
        for i in range(size):
            total += grad_gated[i] * ring[start + i]
        grad_instructions[width + 2 + shift] = total
    wrap_around(grad_gated, half, ring)
    for i in range(size):
        grad_gated[i] = ZERO
    for shift in range(shifts):
        share = instructions[width + 2 + shift]
        for i in range(size):
            grad_gated[i] += share * ring[shift + i]

    grad_gate, mean = zero, zero
    for i in range(size):
        grad_gate += grad_gated[i] * (content[i] - previous[i])
        mean += grad_gated[i] * content[i]
    grad_instructions[width + 1] = grad_gate
    grad_strength, projection = zero, zero
    for i in range(size):
        grad_weights[i] = (ONE - gate) * grad_gated[i]
        grad_exponent = gate * content[i] * (grad_gated[i] - mean)
        grad_strength += grad_exponent * cosines[i]
        gated[i] = strength * grad_exponent  # the gradient of the cosine
    grad_instructions[width] = grad_strength
    for i in range(size):
        projection += gated[i] * cosines[i]
    key_norm = inverse_key_norm(instructions, width)
    for i in range(size):
        grad_gated[i] = gated[i] * key_norm * norms[i]
        gated[i] *= cosines[i] * norms[i] * norms[i]
    for j in range(width):
        total, key = zero, instructions[j]
        for i in range(size):
            total += grad_gated[i] * memory[j, i]
        grad_instructions[j] = total - key * key_norm * key_norm * projection
        for i in range(size):
            grad_memory[j, i] += grad_gated[i] * key - gated[i] * memory[j, i]
