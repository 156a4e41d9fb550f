"""Reading and writing the memory of a Neural Turing Machine, for one row, forward and backward."""

from __future__ import annotations

from seqloom.compiling import Array, inlined
from seqloom.nn.kernels.numeric import ONE


@inlined
def _erase(memory: Array, weights: Array, erase: Array, out: Array) -> None:
    for j in range(memory.shape[0]):
        for i in range(memory.shape[1]):
            out[j, i] = memory[j, i] * (ONE - erase[j] * weights[i])


@inlined
def write(memory: Array, weights: Array, instructions: Array, out: Array) -> None:
    """Erases, then adds (equations 3 and 4). `instructions` holds the erase vector and the add vector of each write
    head, `weights` (heads, locations) its weights."""
    width, size = memory.shape
    for head in range(weights.shape[0]):
        start = 2 * width * head
        _erase(memory if head == 0 else out, weights[head], instructions[start : start + width], out)
    for head in range(weights.shape[0]):
        start = 2 * width * head + width
        for j in range(width):
            value = instructions[start + j]
            for i in range(size):
                out[j, i] += value * weights[head, i]


@inlined
def write_backward(
    memory: Array,
    weights: Array,
    instructions: Array,
    grad_instructions: Array,
    grad_weights: Array,
    grad_memory: Array,
    erased: Array,
) -> None:
    """Turns the gradient of the memory after writing into that of the memory before it, in place. Adds to the gradient
    of the weights, and writes that of the instructions. `erased`: a buffer for the memory after each head's erasing."""
    width, size = memory.shape
    zero = memory.dtype.type(0)
    heads = weights.shape[0]
    for head in range(heads):
        start = 2 * width * head + width
        for j in range(width):
            total, value = zero, instructions[start + j]
            for i in range(size):
                total += weights[head, i] * grad_memory[j, i]
            grad_instructions[start + j] = total
            for i in range(size):
                grad_weights[head, i] += value * grad_memory[j, i]
        if head + 1 < heads:
            _erase(
                memory if head == 0 else erased[head - 1],
                weights[head],
                instructions[start - width : start],
                erased[head],
            )
    for head in range(heads - 1, -1, -1):
        previous, start = memory if head == 0 else erased[head - 1], 2 * width * head
        for j in range(width):
            total, value = zero, instructions[start + j]
            for i in range(size):
                total -= weights[head, i] * previous[j, i] * grad_memory[j, i]
            grad_instructions[start + j] = total
            for i in range(size):
                grad_weights[head, i] -= value * previous[j, i] * grad_memory[j, i]
            for i in range(size):
                grad_memory[j, i] *= ONE - value * weights[head, i]


@inlined
def read(memory: Array, weights: Array, out: Array) -> None:
    """The weighted sum of the locations for each read head (equation 2)."""
    width, size = memory.shape
    zero = memory.dtype.type(0)
    for head in range(weights.shape[0]):
        for j in range(width):
            total = zero
            for i in range(size):
                total += weights[head, i] * memory[j, i]
            out[head * width + j] = total


@inlined
def read_backward(memory: Array, weights: Array, grad_reads: Array, grad_weights: Array, grad_memory: Array) -> None:
    """Adds to the gradients of the weights and of the memory."""
    width, size = memory.shape
    for head in range(weights.shape[0]):
        for j in range(width):
            value = grad_reads[head * width + j]
            for i in range(size):
                grad_weights[head, i] += value * memory[j, i]
            for i in range(size):
                grad_memory[j, i] += value * weights[head, i]
