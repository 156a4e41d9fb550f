"""Long short-term memory, fused, with its options. The gates are in the order i, f, g, o; i, g, o where coupled."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqloom.nn.kernels.fused_recurrence import Kernel, rows_of
from seqloom.nn.kernels.numeric import ONE, Array, add_products, compiled, inlined, sigmoid, tanh
from seqloom.nn.matrix_product import add_product, product_into, weight_gradient
from seqloom.nn.recurrence.pass_context import PassContext
from seqloom.nn.recurrence.types import ScheduledStep, Weights

Arrays = tuple[Array, ...]

COUPLED = 3
"""The number of gates of a cell whose forget gate is one minus its input gate."""


@inlined
def activate_gates(
    gates: Array, bias: Array, cell: Array, peepholes: Array, element: int, previous: int, current: int
) -> None:
    """Applies the activations of a row's gates in place, and writes c_t."""
    size = cell.shape[1]
    for j in range(size):
        gates[element, 0, j] = sigmoid(gates[element, 0, j] + bias[0, j] + peepholes[0, j] * cell[previous, j])
    for j in range(size):
        gates[element, -2, j] = tanh(gates[element, -2, j] + bias[-2, j])
    if gates.shape[1] == COUPLED:
        for j in range(size):
            cell[current, j] = cell[previous, j] + gates[element, 0, j] * (gates[element, 1, j] - cell[previous, j])
    else:
        for j in range(size):
            gates[element, 1, j] = sigmoid(gates[element, 1, j] + bias[1, j] + peepholes[1, j] * cell[previous, j])
        for j in range(size):
            cell[current, j] = gates[element, 1, j] * cell[previous, j] + gates[element, 0, j] * gates[element, 2, j]
    for j in range(size):
        gates[element, -1, j] = sigmoid(gates[element, -1, j] + bias[-1, j] + peepholes[-1, j] * cell[current, j])


@compiled
def _forward(
    gates: Array,
    bias: Array,
    cell: Array,
    peepholes: Array,
    out: Array,
    rows: int,
    start: int,
    previous: int,
    current: int,
    out_start: int,
) -> None:
    """Activates the gates, and writes c_t and o * tanh(c_t), the latter into `out` from row `out_start` on."""
    for row in range(rows):
        activate_gates(gates, bias, cell, peepholes, start + row, previous + row, current + row)
        for j in range(cell.shape[1]):
            out[out_start + row, j] = gates[start + row, -1, j] * tanh(cell[current + row, j])


@inlined
def cell_from_gates(gates: Array, cell: Array, element: int, previous: int, c: Array) -> None:
    """Recomputes c_t of a row from its gates: zoneout may have changed the one in the buffer."""
    size = cell.shape[1]
    if gates.shape[1] == COUPLED:
        for j in range(size):
            c[j] = cell[previous, j] + gates[element, 0, j] * (gates[element, 1, j] - cell[previous, j])
    else:
        for j in range(size):
            c[j] = gates[element, 1, j] * cell[previous, j] + gates[element, 0, j] * gates[element, 2, j]


@inlined
def gates_backward(
    gates: Array,
    cell: Array,
    peepholes: Array,
    grad_cell: Array,
    grad_gates: Array,
    grad_bias: Array,
    grad_peepholes: Array,
    grad_cell_total: Array,
    c: Array,
    row: int,
    element: int,
    previous: int,
) -> None:
    """The backward pass of one row through its other gates, given the gradient of the output gate and that of c_t
    without the part through the output gate's peephole. Writes the gradients of the gates, and turns that of c_t into
    that of c_{t-1}.

    `gates` holds this row only; `c` is c_t. `grad_peepholes` is empty where there are no peepholes. `grad_cell_total`,
    unless it is empty, receives the full gradient of c_t.
    """
    size = cell.shape[1]
    if grad_peepholes.shape[0]:
        for j in range(size):
            grad_peepholes[-1, j] += grad_gates[element, -1, j] * c[j]
            grad_cell[row, j] += grad_gates[element, -1, j] * peepholes[-1, j]
    for j in range(grad_cell_total.shape[1]):
        grad_cell_total[row, j] = grad_cell[row, j]
    if gates.shape[1] == COUPLED:
        for j in range(size):
            i, g, dc = gates[0, 0, j], gates[0, 1, j], grad_cell[row, j]
            grad_gates[element, 0, j] = dc * (g - cell[previous, j]) * i * (ONE - i)
            grad_gates[element, 1, j] = dc * i * (ONE - g * g)
        for j in range(size):
            grad_cell[row, j] *= ONE - gates[0, 0, j]
    else:
        for j in range(size):
            i, g, dc = gates[0, 0, j], gates[0, 2, j], grad_cell[row, j]
            grad_gates[element, 0, j] = dc * g * i * (ONE - i)
            grad_gates[element, 2, j] = dc * i * (ONE - g * g)
        for j in range(size):
            f, dc = gates[0, 1, j], grad_cell[row, j]
            grad_gates[element, 1, j] = dc * cell[previous, j] * f * (ONE - f)
            grad_cell[row, j] = dc * f
    for gate in range(gates.shape[1]):
        for j in range(size):
            grad_bias[gate, j] += grad_gates[element, gate, j]
    for gate in range(grad_peepholes.shape[0] - 1):
        for j in range(size):
            grad_peepholes[gate, j] += grad_gates[element, gate, j] * cell[previous, j]
            grad_cell[row, j] += grad_gates[element, gate, j] * peepholes[gate, j]


@compiled
def _backward(
    gates: Array,
    cell: Array,
    peepholes: Array,
    grad_cell: Array,
    grad_gates: Array,
    grad_bias: Array,
    grad_peepholes: Array,
    grad_cell_total: Array,
    grad_out: Array,
    rows: int,
    start: int,
    previous: int,
) -> None:
    """From the gradients of o * tanh(c_t) and of c_t to those of the gates and of c_{t-1}."""
    c, row_gates = np.empty_like(cell[0]), np.empty_like(gates[:1])
    gradients = grad_cell, grad_gates, grad_bias, grad_peepholes, grad_cell_total
    for row in range(rows):
        element = start + row
        for gate in range(gates.shape[1]):  # a copy: the gradients may be written in their place
            for j in range(cell.shape[1]):
                row_gates[0, gate, j] = gates[element, gate, j]
        cell_from_gates(row_gates, cell, 0, previous + row, c)
        for j in range(cell.shape[1]):
            o, t = row_gates[0, -1, j], tanh(c[j])
            grad_gates[element, -1, j] = grad_out[row, j] * t * o * (ONE - o)
            grad_cell[row, j] += grad_out[row, j] * o * (ONE - t * t)
        gates_backward(row_gates, cell, peepholes, *gradients, c, row, element, previous + row)


@compiled
def lstm_step(
    x: Array,
    hidden: Array,
    previous_cell: Array,
    input_weight: Array,
    recurrent: Array,
    bias: Array,
    peepholes: Array | None = None,
) -> tuple[Array, Array]:
    """One step of a cell without projection and layer normalisation: the hidden state and the cell state."""
    rows, size = previous_cell.shape
    product = np.zeros((rows, len(bias)), x.dtype)
    add_products(x, input_weight, product)
    add_products(hidden, recurrent, product)
    gates = product.reshape(rows, len(bias) // size, size)
    out, cell = np.empty_like(previous_cell), np.empty((2 * rows, size), x.dtype)
    cell[:rows] = previous_cell
    used_peepholes = np.zeros((gates.shape[1] - 1, size), x.dtype) if peepholes is None else peepholes
    _forward(gates, bias.reshape(-1, size), cell, used_peepholes, out, rows, 0, 0, rows, 0)
    return out, cell[rows:]


class LSTMKernel(Kernel):
    """Its gates overwrite the products with the inputs."""

    in_place = True
    compiled_forward: Any = staticmethod(_forward)
    compiled_backward: Any = staticmethod(_backward)

    def __init__(self, context: PassContext, projected: Tensor, buffers: list[Tensor], weights: Weights) -> None:
        super().__init__(context, projected, buffers, weights)
        peepholes, projection = weights[2], weights[-1]
        self.size = buffers[1].shape[1]
        self.projection = None if projection is None else projection.detach()
        # The input of the projection; without a projection, the hidden state itself.
        self.unprojected = self.hidden if projection is None else self.empty(context.schedule.num_elements, self.size)
        self.has_peepholes = peepholes is not None
        num_gates = projected.shape[1] // self.size
        absent = np.zeros((num_gates - 1, self.size), self.gates.dtype)
        self.peepholes = absent if peepholes is None else peepholes.detach().numpy()
        self.gates = self.view_by_gate(projected)
        bias = self.bias.reshape(-1, self.size)
        self.forward_arrays: Arrays = self.gates, bias, self.buffer_arrays[1], self.peepholes, self.unprojected.numpy()

    def view_by_gate(self, rows: Tensor) -> Array:
        """`rows` as an array (elements, gates, size).

        The compiled loops index it by integers only: slices would cost reference counts at every row.
        """
        return rows.numpy().reshape(len(rows), -1, self.size)

    def forward(self, step: ScheduledStep) -> None:
        _, rows, start, previous, current = step
        self.multiply(step)
        out_start = current if self.projection is None else start
        self.compiled_forward(*self.forward_arrays, rows, start, previous, current, out_start)
        if self.projection is not None:
            unprojected = self.unprojected[start : start + rows]
            product_into(self.hidden_by_step[step.number + 1], unprojected, self.projection.t())

    def multiply(self, step: ScheduledStep) -> None:
        """Adds the product with the recurrent matrix to the projected inputs."""
        add_product(self.projected_by_step[step.number], self.recurrent_input(step), self.recurrent_t)

    def start_backward(self, gradients: list[Tensor]) -> None:
        super().start_backward(gradients)
        self.grad_product, self.grad_product_by_step = self.grad_projected, self.grad_projected_by_step
        self.grad_peepholes = np.zeros_like(self.peepholes[: None if self.has_peepholes else 0])
        self.grad_out = gradients[0]
        if self.projection is not None:
            self.grad_out = self.empty(self.schedule.active_rows, self.size)
            self.grad_hidden = self.empty(self.schedule.num_elements, gradients[0].shape[1])
        self.grad_cell_total = self.empty(self.schedule.active_rows, 0 if self.gradient_norms is None else self.size)
        grad_bias = self.grad_bias.numpy().reshape(-1, self.size)
        self.backward_arrays: Arrays = (
            self.gates,
            self.buffer_arrays[1],
            self.peepholes,
            gradients[1].numpy(),
            self.view_by_gate(self.grad_projected),
            grad_bias,
            self.grad_peepholes,
            self.grad_cell_total.numpy(),
            self.grad_out.numpy(),
        )

    def backward(self, step: ScheduledStep, gradients: list[Tensor]) -> None:
        _, rows, start, previous, _ = step
        if self.projection is not None:
            self.grad_hidden[start : start + rows] = gradients[0]
            product_into(rows_of(self.grad_out, step), gradients[0], self.projection)
        self.compiled_backward(*self.backward_arrays, rows, start, previous)
        if self.gradient_norms is not None and self.noise.zoneout_masks[1] is None:
            # The full gradient of c_t, which includes the part through h_t. Zoneout separates the two.
            self.gradient_norms.record_state(step, 1, self.grad_cell_total[:rows])
        product_into(gradients[0], self.grad_product_by_step[step.number], self.recurrent)
        self.dropout_backward(gradients[0])

    def weight_gradients(self) -> Weights:
        recurrent = self.recurrent_gradient(self.grad_product)
        peepholes = torch.from_numpy(self.grad_peepholes) if self.has_peepholes else None
        projection = None if self.projection is None else weight_gradient(self.grad_hidden, self.unprojected)
        return recurrent, self.grad_bias, peepholes, *self.gain_gradients(), projection

    def gain_gradients(self) -> Weights:
        return None, None, None
