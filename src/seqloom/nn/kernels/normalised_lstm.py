"""Long short-term memory with layer normalisation (Ba et al. 2016, equations 20 to 22), fused."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from seqloom.nn.kernels.lstm import LSTMKernel, cell_from_gates, gates_backward, open_gates
from seqloom.nn.kernels.numeric import ONE, Array, compiled, inlined, tanh
from seqloom.nn.matrix_product import product_into
from seqloom.nn.recurrence.cell import Weights
from seqloom.nn.recurrence.pass_context import PassContext
from seqloom.nn.recurrence.step_schedule import Step

_EPSILON = 1e-5
"""Layer normalisation's, as in torch."""


@inlined
def _standardise(x: Array, row: int) -> float:
    """A row becomes (row - mean) / deviation; gives 1 / deviation.

    In place, since loops over two names of one array would not become vector code.
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
def _unstandardise(by_normal: Array, at: int, normal: Array, row: int, scale: float) -> None:
    """From the gradient of what _standardise gave to that of what it took, in place; it stands at row `at`."""
    real = normal.dtype.type
    size = normal.shape[1]
    mean = along = real(0)
    for j in range(size):
        mean += by_normal[at, j]
        along += by_normal[at, j] * normal[row, j]
    mean /= real(size)
    along /= real(size)
    for j in range(size):
        by_normal[at, j] = scale * (by_normal[at, j] - mean - normal[row, j] * along)


@compiled
def _forward(
    gates: Array,
    bias: Array,
    cell: Array,
    peepholes: Array,
    out: Array,
    product: Array,
    gain: Array,
    normal: Array,
    cell_gain: Array,
    cell_bias: Array,
    scales: Array,
    rows: int,
    start: int,
    before: int,
    now: int,
    out_at: int,
) -> None:
    """Gates, c_t, and o * tanh(LN(c_t)) into `out`. `product` becomes standardised; `normal` is c_t standardised."""
    size, flat = cell.shape[1], gates.reshape(product.shape)
    for row in range(rows):
        element = start + row
        scales[element, 0] = _standardise(product, element)
        for k in range(gain.shape[0]):
            flat[element, k] += gain[k] * product[element, k]
        open_gates(gates, bias, cell, peepholes, element, before + row, now + row)
        for j in range(size):
            normal[element, j] = cell[now + row, j]
        scales[element, 1] = _standardise(normal, element)
        for j in range(size):
            out[out_at + row, j] = gates[element, -1, j] * tanh(cell_gain[j] * normal[element, j] + cell_bias[j])


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
    product: Array,
    gain: Array,
    normal: Array,
    cell_gain: Array,
    cell_bias: Array,
    scales: Array,
    by_product: Array,
    by_gain: Array,
    by_cell_gain: Array,
    by_cell_bias: Array,
    rows: int,
    start: int,
    before: int,
) -> None:
    """From the gradients of o * tanh(LN(c_t)) and of c_t to those of the gates, of the product and of c_{t-1}.

    A row is copied before its gradients are written: they may stand where it stood.
    """
    size, by_flat = cell.shape[1], by_gates.reshape(product.shape)
    flat, opened, standard = gates.reshape(product.shape), np.empty_like(gates[:1]), np.empty_like(product[:1])
    opened_flat = opened.reshape(standard.shape)
    c, inside = np.empty_like(cell[0]), np.empty_like(cell[:1])
    own = by_cell, by_gates, by_bias, by_peepholes, totals
    for row in range(rows):
        element = start + row
        for k in range(gain.shape[0]):
            opened_flat[0, k] = flat[element, k]
        for k in range(gain.shape[0]):
            standard[0, k] = product[element, k]
        for j in range(size):
            c[j] = tanh(cell_gain[j] * normal[element, j] + cell_bias[j])
        for j in range(size):
            o, t = opened[0, -1, j], c[j]
            by_gates[element, -1, j] = by_out[row, j] * t * o * (ONE - o)
            inside[0, j] = by_out[row, j] * o * (ONE - t * t)
        for j in range(size):
            by_cell_gain[j] += inside[0, j] * normal[element, j]
            by_cell_bias[j] += inside[0, j]
        for j in range(size):
            inside[0, j] *= cell_gain[j]
        _unstandardise(inside, 0, normal, element, scales[element, 1])
        for j in range(size):
            by_cell[row, j] += inside[0, j]
        cell_from_gates(opened, cell, 0, before + row, c)
        gates_backward(opened, cell, peepholes, *own, c, row, element, before + row)
        for k in range(gain.shape[0]):
            by_gain[k] += by_flat[element, k] * standard[0, k]
            by_product[element, k] = by_flat[element, k] * gain[k]
        _unstandardise(by_product, element, standard, 0, scales[element, 0])


class NormalisedLSTMKernel(LSTMKernel):
    """With layer normalisation of the recurrent product and of the cell state; that of the inputs is in `project`."""

    compiled_forward = staticmethod(_forward)
    compiled_backward = staticmethod(_backward)

    def __init__(self, along: PassContext, projected: Tensor, buffers: list[Tensor], weights: Weights) -> None:
        super().__init__(along, projected, buffers, weights)
        gain, cell_gain, cell_bias = (weight.detach().numpy() for weight in weights[3:6] if weight is not None)
        self.product = torch.empty_like(projected)
        self.product_at = self.product.split_with_sizes(along.order.sizes)
        normal, scales = self.empty(along.order.elements, self.size), self.empty(along.order.elements, 2)
        self.normal_arrays = self.product.numpy(), gain, normal.numpy(), cell_gain, cell_bias, scales.numpy()
        self.forward_arrays = *self.forward_arrays, *self.normal_arrays

    def multiply(self, step: Step) -> None:
        """In a place of its own: it is normalised before it is added."""
        product_into(self.product_at[step.number], self.seen(step), self.transposed)

    def start_backward(self, gradients: list[Tensor]) -> None:
        super().start_backward(gradients)
        self.by_product = self.gradient_of(self.product)
        self.by_product_at = self.by_product.split_with_sizes(self.order.sizes)
        self.by_gains = [self.projected.new_zeros(size) for size in (self.product.shape[1], self.size, self.size)]
        own = self.by_product, *self.by_gains
        self.backward_arrays = *self.backward_arrays, *self.normal_arrays, *(tensor.numpy() for tensor in own)

    def gain_gradients(self) -> Weights:
        return tuple(self.by_gains)
