"""Long short-term memory, fused, with its options. Gates stand as i, f, g, o; as i, g, o where they are coupled."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqloom.nn.kernels.kernel import Kernel, rows_of
from seqloom.nn.kernels.numeric import ONE, Array, add_products, compiled, inlined, sigmoid, tanh
from seqloom.nn.matrix_product import add_product, product_into, weight_gradient
from seqloom.nn.recurrence.cell import Weights
from seqloom.nn.recurrence.pass_context import PassContext
from seqloom.nn.recurrence.step_schedule import Step

Arrays = tuple[Array, ...]

COUPLED = 3
"""Gates of a cell whose forget gate is what the input gate leaves."""


@inlined
def open_gates(gates: Array, bias: Array, cell: Array, peepholes: Array, element: int, before: int, now: int) -> None:
    """The gates of a row, and c_t."""
    size = cell.shape[1]
    for j in range(size):
        gates[element, 0, j] = sigmoid(gates[element, 0, j] + bias[0, j] + peepholes[0, j] * cell[before, j])
    for j in range(size):
        gates[element, -2, j] = tanh(gates[element, -2, j] + bias[-2, j])
    if gates.shape[1] == COUPLED:
        for j in range(size):
            cell[now, j] = cell[before, j] + gates[element, 0, j] * (gates[element, 1, j] - cell[before, j])
    else:
        for j in range(size):
            gates[element, 1, j] = sigmoid(gates[element, 1, j] + bias[1, j] + peepholes[1, j] * cell[before, j])
        for j in range(size):
            cell[now, j] = gates[element, 1, j] * cell[before, j] + gates[element, 0, j] * gates[element, 2, j]
    for j in range(size):
        gates[element, -1, j] = sigmoid(gates[element, -1, j] + bias[-1, j] + peepholes[-1, j] * cell[now, j])


@compiled
def _forward(
    gates: Array,
    bias: Array,
    cell: Array,
    peepholes: Array,
    out: Array,
    rows: int,
    start: int,
    before: int,
    now: int,
    out_at: int,
) -> None:
    """Gates, c_t, and o * tanh(c_t) into `out`."""
    for row in range(rows):
        open_gates(gates, bias, cell, peepholes, start + row, before + row, now + row)
        for j in range(cell.shape[1]):
            out[out_at + row, j] = gates[start + row, -1, j] * tanh(cell[now + row, j])


@inlined
def cell_from_gates(gates: Array, cell: Array, element: int, before: int, c: Array) -> None:
    """c_t of a row as its gates made it: zoneout may have changed the one that was kept."""
    size = cell.shape[1]
    if gates.shape[1] == COUPLED:
        for j in range(size):
            c[j] = cell[before, j] + gates[element, 0, j] * (gates[element, 1, j] - cell[before, j])
    else:
        for j in range(size):
            c[j] = gates[element, 1, j] * cell[before, j] + gates[element, 0, j] * gates[element, 2, j]


@inlined
def gates_backward(
    gates: Array,
    cell: Array,
    peepholes: Array,
    by_cell: Array,
    by_gates: Array,
    by_bias: Array,
    by_peepholes: Array,
    totals: Array,
    c: Array,
    row: int,
    element: int,
    before: int,
) -> None:
    """Of a row: from the gradients of the output gate and of c_t but for that gate's peephole to those of the other
    gates and of c_{t-1}.

    `gates` has that row alone. `c` is c_t. `by_peepholes` is empty where there are none; `totals`, unless it is empty,
    takes the whole gradient of c_t.
    """
    size = cell.shape[1]
    if by_peepholes.shape[0]:
        for j in range(size):
            by_peepholes[-1, j] += by_gates[element, -1, j] * c[j]
            by_cell[row, j] += by_gates[element, -1, j] * peepholes[-1, j]
    for j in range(totals.shape[1]):
        totals[row, j] = by_cell[row, j]
    if gates.shape[1] == COUPLED:
        for j in range(size):
            i, g, dc = gates[0, 0, j], gates[0, 1, j], by_cell[row, j]
            by_gates[element, 0, j] = dc * (g - cell[before, j]) * i * (ONE - i)
            by_gates[element, 1, j] = dc * i * (ONE - g * g)
        for j in range(size):
            by_cell[row, j] *= ONE - gates[0, 0, j]
    else:
        for j in range(size):
            i, g, dc = gates[0, 0, j], gates[0, 2, j], by_cell[row, j]
            by_gates[element, 0, j] = dc * g * i * (ONE - i)
            by_gates[element, 2, j] = dc * i * (ONE - g * g)
        for j in range(size):
            f, dc = gates[0, 1, j], by_cell[row, j]
            by_gates[element, 1, j] = dc * cell[before, j] * f * (ONE - f)
            by_cell[row, j] = dc * f
    for gate in range(gates.shape[1]):
        for j in range(size):
            by_bias[gate, j] += by_gates[element, gate, j]
    for gate in range(by_peepholes.shape[0] - 1):
        for j in range(size):
            by_peepholes[gate, j] += by_gates[element, gate, j] * cell[before, j]
            by_cell[row, j] += by_gates[element, gate, j] * peepholes[gate, j]


@compiled
def _backward(
    gates: Array,
    cell: Array,
    peepholes: Array,
    by_cell: Array,
    by_gates: Array,
    by_bias: Array,
    by_peepholes: Array,
    totals: Array,
    by_out: Array,
    rows: int,
    start: int,
    before: int,
) -> None:
    """From the gradients of o * tanh(c_t) and of c_t to those of the gates and of c_{t-1}."""
    c, opened = np.empty_like(cell[0]), np.empty_like(gates[:1])
    own = by_cell, by_gates, by_bias, by_peepholes, totals
    for row in range(rows):
        element = start + row
        for gate in range(gates.shape[1]):  # a copy: the gradients may be written where they stand
            for j in range(cell.shape[1]):
                opened[0, gate, j] = gates[element, gate, j]
        cell_from_gates(opened, cell, 0, before + row, c)
        for j in range(cell.shape[1]):
            o, t = opened[0, -1, j], tanh(c[j])
            by_gates[element, -1, j] = by_out[row, j] * t * o * (ONE - o)
            by_cell[row, j] += by_out[row, j] * o * (ONE - t * t)
        gates_backward(opened, cell, peepholes, *own, c, row, element, before + row)


@compiled
def lstm_step(
    x: Array,
    hidden: Array,
    before: Array,
    input_weight: Array,
    recurrent: Array,
    bias: Array,
    peepholes: Array | None = None,
) -> tuple[Array, Array]:
    """For a cell without projection or normalisation."""
    rows, size = before.shape
    product = np.zeros((rows, len(bias)), x.dtype)
    add_products(x, input_weight, product)
    add_products(hidden, recurrent, product)
    gates = product.reshape(rows, len(bias) // size, size)
    out, cell = np.empty_like(before), np.empty((2 * rows, size), x.dtype)
    cell[:rows] = before
    seen = np.zeros((gates.shape[1] - 1, size), x.dtype) if peepholes is None else peepholes
    _forward(gates, bias.reshape(-1, size), cell, seen, out, rows, 0, 0, rows, 0)
    return out, cell[rows:]


class LSTMKernel(Kernel):
    """The gates stand where the products with the inputs were."""

    in_place = True
    compiled_forward: Any = staticmethod(_forward)
    compiled_backward: Any = staticmethod(_backward)

    def __init__(self, along: PassContext, projected: Tensor, buffers: list[Tensor], weights: Weights) -> None:
        super().__init__(along, projected, buffers, weights)
        peepholes, projection = weights[2], weights[-1]
        self.size = buffers[1].shape[1]
        self.projection = None if projection is None else projection.detach()
        # What a projection takes; without one, the hidden state itself.
        self.unprojected = self.hidden if projection is None else self.empty(along.order.elements, self.size)
        self.peephole = peepholes is not None
        num_gates = projected.shape[1] // self.size
        absent = np.zeros((num_gates - 1, self.size), self.gates.dtype)
        self.peepholes = absent if peepholes is None else peepholes.detach().numpy()
        self.gates = self.by_gate(projected)
        bias = self.bias.reshape(-1, self.size)
        self.forward_arrays: Arrays = self.gates, bias, self.arrays[1], self.peepholes, self.unprojected.numpy()

    def by_gate(self, rows: Tensor) -> Array:
        """The same as an array (elements, gates, size).

        The compiled loops find what they need by its numbers alone: slices of arrays would be counted at every row.
        """
        return rows.numpy().reshape(len(rows), -1, self.size)

    def forward(self, step: Step) -> None:
        _, rows, start, before, now = step
        self.multiply(step)
        out_at = now if self.projection is None else start
        self.compiled_forward(*self.forward_arrays, rows, start, before, now, out_at)
        if self.projection is not None:
            taken = self.unprojected[start : start + rows]
            product_into(self.hidden_at[step.number + 1], taken, self.projection.t())

    def multiply(self, step: Step) -> None:
        """Adds the product of the recurrent matrix where the gates will stand."""
        add_product(self.projected_at[step.number], self.seen(step), self.transposed)

    def start_backward(self, gradients: list[Tensor]) -> None:
        super().start_backward(gradients)
        self.by_product, self.by_product_at = self.by_projected, self.by_projected_at
        self.by_peepholes = np.zeros_like(self.peepholes[: None if self.peephole else 0])
        self.by_out = gradients[0]
        if self.projection is not None:
            self.by_out = self.empty(self.order.working, self.size)
            self.by_hidden = self.empty(self.order.elements, gradients[0].shape[1])
        self.totals = self.empty(self.order.working, 0 if self.norms is None else self.size)
        by_bias = self.by_bias.numpy().reshape(-1, self.size)
        own = self.by_gate(self.by_projected), by_bias, self.by_peepholes, self.totals.numpy(), self.by_out.numpy()
        self.backward_arrays: Arrays = self.gates, self.arrays[1], self.peepholes, gradients[1].numpy(), *own

    def backward(self, step: Step, gradients: list[Tensor]) -> None:
        _, rows, start, before, _ = step
        if self.projection is not None:
            self.by_hidden[start : start + rows] = gradients[0]
            product_into(rows_of(self.by_out, step), gradients[0], self.projection)
        self.compiled_backward(*self.backward_arrays, rows, start, before)
        if self.norms is not None and self.noise.zones[1] is None:
            self.norms.write_one(step, 1, self.totals[:rows])  # with what passes by h_t, which zoneout cuts off
        product_into(gradients[0], self.by_product_at[step.number], self.recurrent)
        self.through_dropout(gradients[0])

    def weight_gradients(self) -> Weights:
        recurrent = weight_gradient(self.by_product, self.all_seen())
        peepholes = torch.from_numpy(self.by_peepholes) if self.peephole else None
        projection = None if self.projection is None else weight_gradient(self.by_hidden, self.unprojected)
        return recurrent, self.by_bias, peepholes, *self.gain_gradients(), projection

    def gain_gradients(self) -> Weights:
        return None, None, None
