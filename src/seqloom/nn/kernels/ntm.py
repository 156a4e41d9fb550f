"""The Neural Turing Machine over whole sequences, controller and memory in one compiled loop, forward and backward.

All rows of a batch take a step together, so that a matrix is read once in each step; memories are processed row by row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from seqloom.compiling import Array, compiled, inlined
from seqloom.nn.kernels.addressing import (
    activate_instructions,
    activate_instructions_backward,
    address,
    address_backward,
    inverse_norms,
)
from seqloom.nn.kernels.ntm_memory import read, read_backward, write, write_backward
from seqloom.nn.kernels.numeric import ONE, ZERO, sigmoid, tanh


class Parameters(NamedTuple):
    """`recurrent` (gates, reads, or reads and hidden), `head_weight` (instructions, hidden); arrays or tensors."""

    recurrent: Any
    head_weight: Any


class Tape(NamedTuple):
    """What a forward pass stores for the backward pass; arrays or tensors (batch, time, ...).

    `gates` and `instructions` hold their values after the activations, `controller_inputs` the reads and, of an LSTM,
    the hidden state. The states `hidden`, `cells`, `reads`, `memories` and `weights` have one place more than there are
    steps: the first is the initial state. Without gradients `memories` has a single place, which each step overwrites.
    `cosines`, `contents`, `shifted` (batch, time, heads, locations) are K, w^c and w~; `inverse_norms` (batch, time,
    locations) is 1 / norm of every location."""

    gates: Any
    instructions: Any
    controller_inputs: Any
    hidden: Any
    cells: Any
    reads: Any
    memories: Any
    weights: Any
    cosines: Any
    contents: Any
    shifted: Any
    inverse_norms: Any


class Gradients(NamedTuple):
    """Given: `outputs`, `read_outputs` (batch, time, size), those of the returned hidden states and reads. Written:
    `gates` and `instructions`. In place, from those of the state after each row's last element to those of the initial
    state: `controller_inputs` (batch, reads and hidden), `cells`, `memory` and `weights`."""

    outputs: Any
    read_outputs: Any
    gates: Any
    instructions: Any
    controller_inputs: Any
    cells: Any
    memory: Any
    weights: Any


@inlined
def _control(gates: Array, previous_cell: Array, hidden: Array, cell: Array) -> None:
    """A step of the controller: an LSTM with the gates input, forget, cell, output, or a feed-forward network where
    `cell` is empty. The activations of the gates are applied in place."""
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
        cell[j] = gates[size + j] * previous_cell[j] + gates[j] * gates[2 * size + j]
    for j in range(size):
        hidden[j] = gates[3 * size + j] * tanh(cell[j])


@inlined
def _control_backward(
    gates: Array, grad_gates: Array, previous_cell: Array, cell: Array, grad_hidden: Array, grad_cell: Array
) -> None:
    """Writes the gradient of the gates before their activations, and turns that of the cell state into that of the
    previous one, in place."""
    size = grad_hidden.shape[0]
    if cell.shape[0] == 0:
        for j in range(size):
            grad_gates[j] = grad_hidden[j] * (ONE - gates[j] * gates[j])
        return
    for j in range(size):
        i, f, g, o = gates[j], gates[size + j], gates[2 * size + j], gates[3 * size + j]
        squashed = tanh(cell[j])
        grad_now = grad_cell[j] + grad_hidden[j] * o * (ONE - squashed * squashed)
        grad_gates[j] = grad_now * g * i * (ONE - i)
        grad_gates[size + j] = grad_now * previous_cell[j] * f * (ONE - f)
        grad_gates[2 * size + j] = grad_now * i * (ONE - g * g)
        grad_gates[3 * size + j] = grad_hidden[j] * squashed * o * (ONE - o)
        grad_cell[j] = grad_now * f


@inlined
def _clip(values: Array, limit: float) -> None:
    """Brings each number between -limit and limit, in place. NaN stays."""
    most = values.dtype.type(limit)
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            value = values[i, j]
            values[i, j] = most if value > most else -most if value < -most else value


@inlined
def _multiply(matrix: Array, vectors: Array, out: Array, lengths: Array, first: int, last: int, step: int) -> None:
    """out += matrix @ vector at `step`, for every row that still has elements. Four sums at once share a vector's
    reads."""
    zero, (num_rows, size) = matrix.dtype.type(0), matrix.shape
    blocked = num_rows - num_rows % 4
    for index in range(0, blocked, 4):
        for row in range(first, last):
            if step < lengths[row]:
                a, b, c, d = zero, zero, zero, zero
                for j in range(size):
                    value = vectors[row, step, j]
                    a += matrix[index, j] * value
                    b += matrix[index + 1, j] * value
                    c += matrix[index + 2, j] * value
                    d += matrix[index + 3, j] * value
                out[row, step, index] += a
                out[row, step, index + 1] += b
                out[row, step, index + 2] += c
                out[row, step, index + 3] += d
    for index in range(blocked, num_rows):
        for row in range(first, last):
            if step < lengths[row]:
                total = zero
                for j in range(size):
                    total += matrix[index, j] * vectors[row, step, j]
                out[row, step, index] += total


@inlined
def _multiply_transposed(
    matrix: Array, vectors: Array, out: Array, lengths: Array, first: int, last: int, step: int
) -> None:
    """out += matrix.T @ vector at `step`, for every row that still has elements; `out` is (rows, size)."""
    num_rows, size = matrix.shape
    blocked = num_rows - num_rows % 4
    for index in range(0, blocked, 4):
        for row in range(first, last):
            if step < lengths[row]:
                a, b = vectors[row, step, index], vectors[row, step, index + 1]
                c, d = vectors[row, step, index + 2], vectors[row, step, index + 3]
                for j in range(size):
                    out[row, j] += (a * matrix[index, j] + b * matrix[index + 1, j]) + (
                        c * matrix[index + 2, j] + d * matrix[index + 3, j]
                    )
    for index in range(blocked, num_rows):
        for row in range(first, last):
            if step < lengths[row]:
                value = vectors[row, step, index]
                for j in range(size):
                    out[row, j] += value * matrix[index, j]


@compiled
def forward(
    first: int, last: int, lengths: Array, num_shifts: int, write_heads: int, parameters: Parameters, tape: Tape
) -> None:
    """Runs the rows from `first` to before `last`. `tape` holds the initial states; its `gates` hold the projected
    inputs and its `instructions` the bias of the heads."""
    recurrent, head_weight = parameters
    (
        gates, instructions, controller_inputs, hidden, cells, reads, memories, weights, cosines, contents, shifted,
        all_inverse_norms,
    ) = tape  # fmt: skip
    places, (width, size) = memories.shape[1], memories.shape[2:]
    heads, reads_size = weights.shape[2], reads.shape[2]
    read_heads, address_size = heads - write_heads, width + 3 + num_shifts
    gated, ring = np.empty(size, memories.dtype), np.empty(size + num_shifts, memories.dtype)
    for step in range(gates.shape[1]):
        for row in range(first, last):
            for j in range(reads_size):
                controller_inputs[row, step, j] = reads[row, step, j]
            for j in range(reads_size, controller_inputs.shape[2]):
                controller_inputs[row, step, j] = hidden[row, step, j - reads_size]
        _multiply(recurrent, controller_inputs, gates, lengths, first, last, step)
        for row in range(first, last):
            if step < lengths[row]:
                _control(gates[row, step], cells[row, step], hidden[row, step + 1], cells[row, step + 1])
        _multiply(head_weight, hidden[:, 1:], instructions, lengths, first, last, step)
        for row in range(first, last):
            if step >= lengths[row]:
                continue
            previous, new = memories[row, min(step, places - 1)], memories[row, min(step + 1, places - 1)]
            step_instructions, norms, new_weights = (
                instructions[row, step],
                all_inverse_norms[row, step],
                weights[row, step + 1],
            )
            activate_instructions(step_instructions, width, num_shifts, heads, write_heads)
            inverse_norms(previous, norms)
            for head in range(heads):
                address(
                    step_instructions[head * address_size :], num_shifts, previous, norms, weights[row, step, head],
                    cosines[row, step, head], contents[row, step, head], shifted[row, step, head], new_weights[head],
                    gated, ring,
                )  # fmt: skip
            write(previous, new_weights[read_heads:], step_instructions[heads * address_size :], new)
            read(new, new_weights[:read_heads], reads[row, step + 1])


@compiled
def backward(
    first: int, last: int, lengths: Array, num_shifts: int, write_heads: int, parameters: Parameters, tape: Tape,
    gradients: Gradients, limit: float,
) -> None:  # fmt: skip
    """The backward pass of the rows from `first` to before `last`; see `Gradients`. At each step, the derivatives of
    the memory, the weights and the instructions (before their activations) are clipped to `limit`."""
    recurrent, head_weight = parameters
    (
        gates, instructions, _, hidden, cells, reads, memories, weights, cosines, contents, shifted, all_inverse_norms,
    ) = tape  # fmt: skip
    (
        grad_outputs, grad_read_outputs, grad_gates, grad_instructions, grad_controller_inputs, grad_cells, grad_memory,
        grad_weights,
    ) = gradients  # fmt: skip
    width, size = memories.shape[2:]
    heads, reads_size, hidden_size = weights.shape[2], reads.shape[2], hidden.shape[2]
    read_heads, address_size = heads - write_heads, width + 3 + num_shifts
    recurrent_hidden, dtype = recurrent.shape[1] - reads_size, memories.dtype  # 0 of a feed-forward controller
    gated, grad_gated, ring = np.empty(size, dtype), np.empty(size, dtype), np.empty(size + num_shifts, dtype)
    erased = np.empty((max(write_heads - 1, 0), width, size), dtype)
    grad_hidden = np.zeros((last, hidden_size), dtype)
    for step in range(gates.shape[1] - 1, -1, -1):
        for row in range(first, last):
            if step >= lengths[row]:
                continue
            grad_reads, grad_heads = grad_controller_inputs[row, :reads_size], grad_weights[row]
            for j in range(reads_size):
                grad_reads[j] += grad_read_outputs[row, step, j]
            for j in range(hidden_size):
                grad_hidden[row, j] = grad_outputs[row, step, j]
            for j in range(recurrent_hidden):
                grad_hidden[row, j] += grad_controller_inputs[row, reads_size + j]
            previous, step_instructions, grad_step_instructions = (
                memories[row, step],
                instructions[row, step],
                grad_instructions[row, step],
            )
            new_weights = weights[row, step + 1]
            read_backward(memories[row, step + 1], new_weights[:read_heads], grad_reads, grad_heads, grad_memory[row])
            write_backward(
                previous, new_weights[read_heads:], step_instructions[heads * address_size :],
                grad_step_instructions[heads * address_size :], grad_heads[read_heads:], grad_memory[row], erased,
            )  # fmt: skip
            for head in range(heads):
                start = head * address_size
                address_backward(
                    step_instructions[start:], grad_step_instructions[start:], num_shifts, previous,
                    all_inverse_norms[row, step],
                    weights[row, step, head], cosines[row, step, head], contents[row, step, head],
                    shifted[row, step, head], new_weights[head], grad_heads[head], grad_memory[row], gated, grad_gated,
                    ring,
                )  # fmt: skip
            activate_instructions_backward(
                step_instructions, grad_step_instructions, width, num_shifts, heads, write_heads
            )
            _clip(grad_heads, limit)
            _clip(grad_memory[row], limit)
            _clip(grad_instructions[row, step : step + 1], limit)
        _multiply_transposed(head_weight, grad_instructions, grad_hidden, lengths, first, last, step)
        for row in range(first, last):
            if step < lengths[row]:
                _control_backward(
                    gates[row, step], grad_gates[row, step], cells[row, step], cells[row, step + 1], grad_hidden[row],
                    grad_cells[row],
                )  # fmt: skip
                for j in range(grad_controller_inputs.shape[1]):
                    grad_controller_inputs[row, j] = ZERO
        _multiply_transposed(recurrent, grad_gates, grad_controller_inputs, lengths, first, last, step)
