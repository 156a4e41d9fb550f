"""Long short-term memory with layer normalisation (Ba et al. 2016, equations 20 to 22), fused."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seqloom.nn.kernels.lstm import LSTMKernel, activate_gates, cell_from_gates, gates_backward
from seqloom.nn.kernels.numeric import ONE, Array, compiled, inlined, tanh
from seqloom.nn.matrix_product import product_into
from seqloom.nn.recurrence.pass_context import PassContext
from seqloom.nn.recurrence.types import ScheduledStep, Weights

_EPSILON = 1e-5
"""The epsilon of torch's layer normalisation."""


class Cells(NamedTuple):
    """What `LSTMKernel` works on: `gates`, `bias` and `peepholes` by gate, `cell` (active + elements, size), and `out`,
    which receives o * tanh(LN(c_t))."""

    gates: Array
    bias: Array
    cell: Array
    peepholes: Array
    out: Array


class CellGradients(NamedTuple):
    """The gradients of `Cells`, and `cell_total`, which receives the full gradient of c_t unless it is empty."""

    cell: Array
    gates: Array
    bias: Array
    peepholes: Array
    cell_total: Array
    out: Array


class Norms(NamedTuple):
    """`product`: U h_{t-1}, and `normal`: c_t, both (elements, size) and standardised in place; their `gain`s and the
    bias of the latter; `scales` (elements, 2): 1 / deviation of both."""

    product: Array
    gain: Array
    normal: Array
    cell_gain: Array
    cell_bias: Array
    scales: Array


class NormGradients(NamedTuple):
    product: Array
    gain: Array
    cell_gain: Array
    cell_bias: Array


@inlined
def _standardise(x: Array, row: int) -> float:
    """Turns a row into (row - mean) / deviation, and returns 1 / deviation.

    In place: loops over two arrays that may overlap are not vectorised.
    """
    real = x.dtype.type
    size = x.shape[1]
    mean = variance = real(0)
    for j in range(size):
        mean += x[row, j]
    mean /= real(size)
    for j in range(size):
        variance += (x[row, j] - mean) * (x[row, j] - mean)
    scale = real(1) / real(math.sqrt(variance / real(size) + real(_EPSILON)))
    for j in range(size):
        x[row, j] = (x[row, j] - mean) * scale
    return scale


@inlined
def _standardise_backward(gradient: Array, at: int, normal: Array, row: int, scale: float) -> None:
    """Turns row `at` of `gradient`, that of the standardised row, into that of the row before, in place."""
    real = normal.dtype.type
    size = normal.shape[1]
    mean = projection = real(0)
    for j in range(size):
        mean += gradient[at, j]
        projection += gradient[at, j] * normal[row, j]
    mean /= real(size)
    projection /= real(size)
    for j in range(size):
        gradient[at, j] = scale * (gradient[at, j] - mean - normal[row, j] * projection)


@compiled
def _forward(cells: Cells, norms: Norms, rows: int, start: int, previous: int, current: int, out_start: int) -> None:
    """Activates the gates, and writes c_t and o * tanh(LN(c_t)), the latter into `out` from row `out_start` on."""
    gates, bias, cell, peepholes, out = cells
    product, gain, normal, cell_gain, cell_bias, scales = norms
    size, flat = cell.shape[1], gates.reshape(product.shape)
    for row in range(rows):
        element = start + row
        scales[element, 0] = _standardise(product, element)
        for k in range(gain.shape[0]):
            flat[element, k] += gain[k] * product[element, k]
        activate_gates(gates, bias, cell, peepholes, element, previous + row, current + row)
        for j in range(size):
            normal[element, j] = cell[current + row, j]
        scales[element, 1] = _standardise(normal, element)
        for j in range(size):
            out[out_start + row, j] = gates[element, -1, j] * tanh(cell_gain[j] * normal[element, j] + cell_bias[j])


@compiled
def _backward(
    cells: Cells, norms: Norms, grad: CellGradients, norm_grad: NormGradients, rows: int, start: int, previous: int
) -> None:
    """From the gradients of o * tanh(LN(c_t)) and of c_t to those of the gates, of the product and of c_{t-1}.

    A row of gates is copied first: its gradients may be written in its place.
    """
    gates, _, cell, peepholes, _ = cells
    product, gain, normal, cell_gain, cell_bias, scales = norms
    grad_cell, grad_gates, grad_bias, grad_peepholes, grad_cell_total, grad_out = grad
    grad_product, grad_gain, grad_cell_gain, grad_cell_bias = norm_grad
    size, flat, grad_flat = cell.shape[1], gates.reshape(product.shape), grad_gates.reshape(product.shape)
    row_gates, row_product = np.empty_like(gates[:1]), np.empty_like(product[:1])
    row_flat = row_gates.reshape(row_product.shape)
    c, grad_normal = np.empty_like(cell[0]), np.empty_like(cell[:1])
    for row in range(rows):
        element = start + row
        for k in range(gain.shape[0]):
            row_flat[0, k] = flat[element, k]
        for k in range(gain.shape[0]):
            row_product[0, k] = product[element, k]
        for j in range(size):
            c[j] = tanh(cell_gain[j] * normal[element, j] + cell_bias[j])
        for j in range(size):
            o, t = row_gates[0, -1, j], c[j]
            grad_gates[element, -1, j] = grad_out[row, j] * t * o * (ONE - o)
            grad_normal[0, j] = grad_out[row, j] * o * (ONE - t * t)
        for j in range(size):
            grad_cell_gain[j] += grad_normal[0, j] * normal[element, j]
            grad_cell_bias[j] += grad_normal[0, j]
        for j in range(size):
            grad_normal[0, j] *= cell_gain[j]
        _standardise_backward(grad_normal, 0, normal, element, scales[element, 1])
        for j in range(size):
            grad_cell[row, j] += grad_normal[0, j]
        cell_from_gates(row_gates, cell, 0, previous + row, c)
        gates_backward(
            row_gates, cell, peepholes, grad_cell, grad_gates, grad_bias, grad_peepholes, grad_cell_total, c, row,
            element, previous + row,
        )  # fmt: skip
        for k in range(gain.shape[0]):
            grad_gain[k] += grad_flat[element, k] * row_product[0, k]
            grad_product[element, k] = grad_flat[element, k] * gain[k]
        _standardise_backward(grad_product, element, row_product, 0, scales[element, 0])


class NormalisedLSTMKernel(LSTMKernel):
    """With layer normalisation of the recurrent product and of the cell state; the cell's `project` normalises the
    product with the inputs."""

    compiled_forward = staticmethod(_forward)
    compiled_backward = staticmethod(_backward)

    def __init__(self, context: PassContext, projected: Tensor, buffers: list[Tensor], weights: Weights) -> None:
        super().__init__(context, projected, buffers, weights)
        gain, cell_gain, cell_bias = (weight.detach().numpy() for weight in weights[3:6] if weight is not None)
        num_elements = self.schedule.num_elements
        self.product = torch.empty_like(projected)
        self.product_by_step = self.product.split_with_sizes(self.schedule.batch_sizes)
        normal, scales = self.empty(num_elements, self.size).numpy(), self.empty(num_elements, 2).numpy()
        self.cell_arrays = Cells(*self.forward_arrays)
        self.norm_arrays = Norms(self.product.numpy(), gain, normal, cell_gain, cell_bias, scales)
        # As plain tuples, which numba recognises in a third of the time of named ones: it does so at every call.
        self.forward_arrays = tuple(self.cell_arrays), tuple(self.norm_arrays)

    def multiply(self, step: ScheduledStep) -> None:
        """Into a buffer of its own: the product is normalised before it is added to the projected inputs."""
        product_into(self.product_by_step[step.number], self.recurrent_input(step), self.recurrent_t)

    def start_backward(self, gradients: list[Tensor]) -> None:
        super().start_backward(gradients)
        self.grad_product = self.allocate_gradient(self.product)
        self.grad_product_by_step = self.grad_product.split_with_sizes(self.schedule.batch_sizes)
        self.grad_gains = [self.projected.new_zeros(size) for size in (self.product.shape[1], self.size, self.size)]
        grad = CellGradients(*self.backward_arrays[3:])
        norm_grad = NormGradients(*(tensor.numpy() for tensor in (self.grad_product, *self.grad_gains)))
        self.backward_arrays = *self.forward_arrays, tuple(grad), tuple(norm_grad)

    def gain_gradients(self) -> Weights:
        return tuple(self.grad_gains)
