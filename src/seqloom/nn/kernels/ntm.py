"""The Neural Turing Machine over whole sequences, controller and memory in one compiled loop: forward, and backward.

Rows go through time side by side, so that a matrix is read once a step; what is done with a memory is done row by row.
"""

from __future__ import annotations

import numpy as np

from seqloom.compiling import Array, compiled, inlined
from seqloom.nn.kernels.addressing import (
    address,
    address_backward,
    instruct,
    instruct_backward,
    inverse_norms,
)
from seqloom.nn.kernels.numeric import ONE, ZERO, sigmoid, tanh


@inlined
def _control(gates: Array, cell_before: Array, hidden: Array, cell: Array) -> None:
    """The controller's step: an LSTM's, whose gates are input, forget, cell, output, or where there are no cells that
    of a feed-forward net. Gates become what their functions give, in place."""
    size = hidden.shape[0]
    if cell.shape[0] == 0:
        for j in range(size):
            gates[j] = tanh(gates[j])
            hidden[j] = gates[j]
        return
    for j in range(2 * size):
        gates[j] = sigmoid(gates[j])
    for j in range(2 * size, 3 * size):
        gates[j] = tanh(gates[j])
    for j in range(3 * size, 4 * size):
        gates[j] = sigmoid(gates[j])
    for j in range(size):
        cell[j] = gates[size + j] * cell_before[j] + gates[j] * gates[2 * size + j]
    for j in range(size):
        hidden[j] = gates[3 * size + j] * tanh(cell[j])


@inlined
def _control_backward(
    gates: Array, by_gates: Array, cell_before: Array, cell: Array, by_hidden: Array, by_cell: Array
) -> None:
    """Writes the gradient of the gates before their functions; that of the cells is turned into that before."""
    size = by_hidden.shape[0]
    if cell.shape[0] == 0:
        for j in range(size):
            by_gates[j] = by_hidden[j] * (ONE - gates[j] * gates[j])
        return
    for j in range(size):
        i, f, g, o = gates[j], gates[size + j], gates[2 * size + j], gates[3 * size + j]
        squashed = tanh(cell[j])
        by_now = by_cell[j] + by_hidden[j] * o * (ONE - squashed * squashed)
        by_gates[j] = by_now * g * i * (ONE - i)
        by_gates[size + j] = by_now * cell_before[j] * f * (ONE - f)
        by_gates[2 * size + j] = by_now * i * (ONE - g * g)
        by_gates[3 * size + j] = by_hidden[j] * squashed * o * (ONE - o)
        by_cell[j] = by_now * f


@inlined
def _multiply(matrix: Array, vectors: Array, out: Array, lengths: Array, first: int, last: int, step: int) -> None:
    """out += matrix vector at `step` of every row that is not at its end. Four sums at once share what they read."""
    zero, (places, size) = matrix.dtype.type(0), matrix.shape
    whole = places - places % 4
    for place in range(0, whole, 4):
        for row in range(first, last):
            if step < lengths[row]:
                a, b, c, d = zero, zero, zero, zero
                for j in range(size):
                    value = vectors[row, step, j]
                    a += matrix[place, j] * value
                    b += matrix[place + 1, j] * value
                    c += matrix[place + 2, j] * value
                    d += matrix[place + 3, j] * value
                out[row, step, place] += a
                out[row, step, place + 1] += b
                out[row, step, place + 2] += c
                out[row, step, place + 3] += d
    for place in range(whole, places):
        for row in range(first, last):
            if step < lengths[row]:
                total = zero
                for j in range(size):
                    total += matrix[place, j] * vectors[row, step, j]
                out[row, step, place] += total


@inlined
def _multiply_transposed(
    matrix: Array, vectors: Array, out: Array, lengths: Array, first: int, last: int, step: int
) -> None:
    """out += transposed matrix times vector at `step` of every row that is not at its end; `out` is (rows, size)."""
    places, size = matrix.shape
    whole = places - places % 4
    for place in range(0, whole, 4):
        for row in range(first, last):
            if step < lengths[row]:
                a, b = vectors[row, step, place], vectors[row, step, place + 1]
                c, d = vectors[row, step, place + 2], vectors[row, step, place + 3]
                for j in range(size):
                    out[row, j] += (a * matrix[place, j] + b * matrix[place + 1, j]) + (
                        c * matrix[place + 2, j] + d * matrix[place + 3, j]
                    )
    for place in range(whole, places):
        for row in range(first, last):
            if step < lengths[row]:
                value = vectors[row, step, place]
                for j in range(size):
                    out[row, j] += value * matrix[place, j]


@inlined
def _erase(memory: Array, weights: Array, erase: Array, out: Array) -> None:
    for j in range(memory.shape[0]):
        for i in range(memory.shape[1]):
            out[j, i] = memory[j, i] * (ONE - erase[j] * weights[i])


@inlined
def _write(memory: Array, weights: Array, said: Array, out: Array) -> None:
    """Erase, then add (equations 3 and 4): `said` has of each head, whose `weights` (heads, locations) they are, what
    to erase and what to add."""
    width, size = memory.shape
    for head in range(weights.shape[0]):
        start = 2 * width * head
        _erase(memory if head == 0 else out, weights[head], said[start : start + width], out)
    for head in range(weights.shape[0]):
        start = 2 * width * head + width
        for j in range(width):
            value = said[start + j]
            for i in range(size):
                out[j, i] += value * weights[head, i]


@inlined
def _write_backward(
    memory: Array, weights: Array, said: Array, by_said: Array, by_weights: Array, by_memory: Array, stages: Array
) -> None:
    """From the gradient of the memory after writing to that before, in place; adds to that of the weights and writes
    that of what was said. `stages`: room for the memory after each head's erasing."""
    width, size = memory.shape
    zero = memory.dtype.type(0)
    heads = weights.shape[0]
    for head in range(heads):
        start = 2 * width * head + width
        for j in range(width):
            total, value = zero, said[start + j]
            for i in range(size):
                total += weights[head, i] * by_memory[j, i]
            by_said[start + j] = total
            for i in range(size):
                by_weights[head, i] += value * by_memory[j, i]
        if head + 1 < heads:
            _erase(memory if head == 0 else stages[head - 1], weights[head], said[start - width : start], stages[head])
    for head in range(heads - 1, -1, -1):
        before, start = memory if head == 0 else stages[head - 1], 2 * width * head
        for j in range(width):
            total, value = zero, said[start + j]
            for i in range(size):
                total -= weights[head, i] * before[j, i] * by_memory[j, i]
            by_said[start + j] = total
            for i in range(size):
                by_weights[head, i] -= value * before[j, i] * by_memory[j, i]
            for i in range(size):
                by_memory[j, i] *= ONE - value * weights[head, i]


@inlined
def _read(memory: Array, weights: Array, out: Array) -> None:
    width, size = memory.shape
    zero = memory.dtype.type(0)
    for head in range(weights.shape[0]):
        for j in range(width):
            total = zero
            for i in range(size):
                total += weights[head, i] * memory[j, i]
            out[head * width + j] = total


@inlined
def _read_backward(memory: Array, weights: Array, by_reads: Array, by_weights: Array, by_memory: Array) -> None:
    """Adds to the gradients of the weights and of the memory."""
    width, size = memory.shape
    for head in range(weights.shape[0]):
        for j in range(width):
            value = by_reads[head * width + j]
            for i in range(size):
                by_weights[head, i] += value * memory[j, i]
            for i in range(size):
                by_memory[j, i] += value * weights[head, i]


@compiled
def forward(
    first: int, last: int, lengths: Array, shifts: int, write_heads: int, recurrent: Array, head_weight: Array,
    gates: Array, said: Array, seen: Array, hidden: Array, cells: Array, reads: Array, memories: Array,
    weights: Array, cosines: Array, contents: Array, moved: Array, norms: Array,
) -> None:  # fmt: skip
    """The rows `first` to `last`. `gates` hold what the inputs give, `said` what the biases give. Of what has a place
    for each step and one before the first (hidden, cells, reads, memories, weights), the first is given; memories may
    have one place for all steps."""
    slots, (width, size) = memories.shape[1], memories.shape[2:]
    heads, of_reads = weights.shape[2], reads.shape[2]
    read_heads, where = heads - write_heads, heads * (width + 3 + shifts)
    gated, ring = np.empty(size, memories.dtype), np.empty(size + shifts, memories.dtype)
    for step in range(gates.shape[1]):
        for row in range(first, last):
            for j in range(of_reads):
                seen[row, step, j] = reads[row, step, j]
            for j in range(of_reads, seen.shape[2]):
                seen[row, step, j] = hidden[row, step, j - of_reads]
        _multiply(recurrent, seen, gates, lengths, first, last, step)
        for row in range(first, last):
            if step < lengths[row]:
                _control(gates[row, step], cells[row, step], hidden[row, step + 1], cells[row, step + 1])
        _multiply(head_weight, hidden[:, 1:], said, lengths, first, last, step)
        for row in range(first, last):
            if step >= lengths[row]:
                continue
            before, after = memories[row, min(step, slots - 1)], memories[row, min(step + 1, slots - 1)]
            now, norm, given = said[row, step], norms[row, step], weights[row, step + 1]
            instruct(now, width, shifts, heads, write_heads)
            inverse_norms(before, norm)
            for head in range(heads):
                address(
                    now[head * (width + 3 + shifts) :], shifts, before, norm, weights[row, step, head],
                    cosines[row, step, head], contents[row, step, head], moved[row, step, head], given[head], gated,
                    ring,
                )  # fmt: skip
            _write(before, given[read_heads:], now[where:], after)
            _read(after, given[:read_heads], reads[row, step + 1])


@compiled
def backward(
    first: int, last: int, lengths: Array, shifts: int, write_heads: int, recurrent: Array, head_weight: Array,
    gates: Array, said: Array, hidden: Array, cells: Array, reads: Array, memories: Array,
    weights: Array, cosines: Array, contents: Array, moved: Array, norms: Array,
    by_outputs: Array, by_read_outputs: Array, by_gates: Array, by_said: Array,
    by_seen: Array, by_cells: Array, by_memory: Array, by_weights: Array,
) -> None:  # fmt: skip
    """`by_outputs`, `by_read_outputs` (batch, time, size): the gradients of the hidden states and of the reads that
    were given out. `by_seen` (batch, size of reads and hidden), `by_cells`, `by_memory` and `by_weights` hold those of
    the state after each row's last element, and become those of the state before its first. Writes those of the gates
    and of what was said."""
    width, size = memories.shape[2:]
    heads, of_reads, of_hidden = weights.shape[2], reads.shape[2], hidden.shape[2]
    read_heads, address_size, recurs = heads - write_heads, width + 3 + shifts, seen_hidden(recurrent, reads)
    where, dtype = heads * address_size, memories.dtype
    gated, by_gated, ring = np.empty(size, dtype), np.empty(size, dtype), np.empty(size + shifts, dtype)
    stages = np.empty((max(write_heads - 1, 0), width, size), dtype)
    by_hidden = np.zeros((last, of_hidden), dtype)
    for step in range(gates.shape[1] - 1, -1, -1):
        for row in range(first, last):
            if step >= lengths[row]:
                continue
            by_reads, by_all = by_seen[row, :of_reads], by_weights[row]
            for j in range(of_reads):
                by_reads[j] += by_read_outputs[row, step, j]
            for j in range(of_hidden):
                by_hidden[row, j] = by_outputs[row, step, j]
            for j in range(recurs):
                by_hidden[row, j] += by_seen[row, of_reads + j]
            before, now, by_now = memories[row, step], said[row, step], by_said[row, step]
            given = weights[row, step + 1]
            _read_backward(memories[row, step + 1], given[:read_heads], by_reads, by_all, by_memory[row])
            _write_backward(
                before, given[read_heads:], now[where:], by_now[where:], by_all[read_heads:], by_memory[row], stages
            )
            for head in range(heads):
                place = head * address_size
                address_backward(
                    now[place:], by_now[place:], shifts, before, norms[row, step], weights[row, step, head],
                    cosines[row, step, head], contents[row, step, head], moved[row, step, head], given[head],
                    by_all[head], by_memory[row], gated, by_gated, ring,
                )  # fmt: skip
            instruct_backward(now, by_now, width, shifts, heads, write_heads)
        _multiply_transposed(head_weight, by_said, by_hidden, lengths, first, last, step)
        for row in range(first, last):
            if step < lengths[row]:
                _control_backward(
                    gates[row, step], by_gates[row, step], cells[row, step], cells[row, step + 1], by_hidden[row],
                    by_cells[row],
                )  # fmt: skip
                for j in range(by_seen.shape[1]):
                    by_seen[row, j] = ZERO
        _multiply_transposed(recurrent, by_gates, by_seen, lengths, first, last, step)


@inlined
def seen_hidden(recurrent: Array, reads: Array) -> int:
    """How many numbers of the hidden state the controller sees: all, or of a feed-forward net none."""
    return recurrent.shape[1] - reads.shape[2]
