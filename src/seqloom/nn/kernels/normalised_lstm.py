"""Long short-term memory with layer normalisation (Ba et al. 2016, equations 20 to 22), fused."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from seqloom.nn.along import Along
from seqloom.nn.cell import Weights
from seqloom.nn.kernels.lstm import LSTMKernel
from seqloom.nn.kernels.numeric import ONE, Array, add_to, compiled, inlined, tanh
from seqloom.nn.order import Step

_EPSILON = 1e-5
"""Layer normalisation's, as in torch."""


@inlined
def _standardise(x: Array) -> float:
    """x = (x - mean) / deviation; gives 1 / deviation.

    In place, since loops over two names of one array would not become vector code.
    """
    real = x.dtype.type
    size = x.shape[0]
    mean = variance = real(0)
    for j in range(size):
        mean += x[j]
    mean /= real(size)
    for j in range(size):
        variance += (x[j] - mean) * (x[j] - mean)
    scale = real(1) / real(math.sqrt(variance / real(size) + real(_EPSILON)))
    for j in range(size):
        x[j] = (x[j] - mean) * scale
    return scale


@inlined
def _unstandardise(by_normal: Array, normal: Array, scale: float) -> None:
    """From the gradient of what _standardise gave to that of what it took, in place."""
    real = normal.dtype.type
    size = normal.shape[0]
    mean = along = real(0)
    for j in range(size):
        mean += by_normal[j]
        along += by_normal[j] * normal[j]
    mean /= real(size)
    along /= real(size)
    for j in range(size):
        by_normal[j] = scale * (by_normal[j] - mean - normal[j] * along)


@compiled
def _normalise(
    projected: Array,
    product: Array,
    scales: Array,
    input_gain: Array,
    gain: Array,
    gates: Array,
    rows: int,
    start: int,
) -> None:
    """gates = input_gain * standardised(projected) + gain * standardised(product); the two become standardised."""
    for row in range(start, start + rows):
        x, p, gate = projected[row], product[row], gates[row]
        scales[row, 0] = _standardise(x)
        scales[row, 1] = _standardise(p)
        for j in range(gain.shape[0]):
            gate[j] = input_gain[j] * x[j] + gain[j] * p[j]


@compiled
def _normalised_output(
    gates: Array,
    cell: Array,
    out: Array,
    normal: Array,
    scales: Array,
    gain: Array,
    bias: Array,
    rows: int,
    start: int,
    now: int,
    out_at: int,
) -> None:
    """o * tanh(gain * standardised(c_t) + bias) into `out`."""
    size = cell.shape[1]
    for row in range(rows):
        x, h, of_o = normal[start + row], out[out_at + row], gates[start + row, gates.shape[1] - size :]
        x[:] = cell[now + row]
        scales[start + row, 2] = _standardise(x)
        for j in range(size):
            h[j] = of_o[j] * tanh(gain[j] * x[j] + bias[j])


@compiled
def _normalised_output_backward(
    gates: Array,
    normal: Array,
    scales: Array,
    gain: Array,
    bias: Array,
    by_out: Array,
    by_cell: Array,
    by_gates: Array,
    by_gain: Array,
    by_bias: Array,
    scratch: Array,
    rows: int,
    start: int,
    at: int,
) -> None:
    """The same through the normalisation."""
    size = by_cell.shape[1]
    o_at = gates.shape[1] - size
    for row in range(rows):
        x, dh, dc = normal[start + row], by_out[row], by_cell[row]
        of_o, by_o = gates[start + row, o_at:], by_gates[at + row, o_at:]
        for j in range(size):
            o = of_o[j]
            t = tanh(gain[j] * x[j] + bias[j])
            by_o[j] = dh[j] * t * o * (ONE - o)
            inside = dh[j] * o * (ONE - t * t)
            by_gain[j] += inside * x[j]
            by_bias[j] += inside
            scratch[j] = inside * gain[j]
        _unstandardise(scratch, x, scales[start + row, 2])
        add_to(dc, scratch)


@inlined
def _through_gain(by_gate: Array, normal: Array, gain: Array, by_normal: Array, by_gain: Array) -> None:
    """Two short loops: one over all these arrays at once would not become vector code."""
    for j in range(gain.shape[0]):
        by_normal[j] = by_gate[j] * gain[j]
    for j in range(gain.shape[0]):
        by_gain[j] += by_gate[j] * normal[j]


@compiled
def _unnormalise(
    projected: Array,
    product: Array,
    scales: Array,
    input_gain: Array,
    gain: Array,
    by_gates: Array,
    by_projected: Array,
    by_product: Array,
    by_input_gain: Array,
    by_gain: Array,
    rows: int,
    start: int,
) -> None:
    """From the gradient of the gates to those of the two products, through their normalisations, and of the gains."""
    for row in range(rows):
        x, p, dg = projected[start + row], product[start + row], by_gates[row]
        dx, dp = by_projected[start + row], by_product[start + row]
        _through_gain(dg, x, input_gain, dx, by_input_gain)
        _through_gain(dg, p, gain, dp, by_gain)
        _unstandardise(dx, x, scales[start + row, 0])
        _unstandardise(dp, p, scales[start + row, 1])


class NormalisedLSTMKernel(LSTMKernel):
    """With layer normalisation of both products and of the cell state. The gates have a place of their own, and their
    gradients one for a single step."""

    def __init__(self, along: Along, projected: Tensor, buffers: list[Tensor], weights: Weights) -> None:
        super().__init__(along, projected, buffers, weights)
        input_gain, gain, cell_gain, cell_bias = (
            weight.detach().numpy() for weight in weights[3:7] if weight is not None
        )
        self.product = torch.empty_like(projected)
        self.product_at = self.product.split_with_sizes(along.order.sizes)
        self.gates = torch.empty_like(projected).numpy()
        normal, scales = self.empty(along.order.elements, self.size), self.empty(along.order.elements, 3).numpy()
        self.product_arrays = projected.numpy(), self.product.numpy(), scales, input_gain, gain
        self.normal_arrays = normal.numpy(), scales, cell_gain, cell_bias

    def _gates(self, step: Step) -> None:
        torch.mm(self.seen(step), self.transposed, out=self.product_at[step.number])
        _normalise(*self.product_arrays, self.gates, step.rows, step.start)

    def _output(self, rows: int, start: int, now: int, out_at: int) -> None:
        _normalised_output(self.gates, self.cell, self.out, *self.normal_arrays, rows, start, now, out_at)

    def start_backward(self, gradients: list[Tensor]) -> None:
        super().start_backward(gradients)
        gates = self.gates.shape[1]
        self.by_product = torch.empty_like(self.projected)
        self.by_product_at = self.by_product.split_with_sizes(self.order.sizes)
        self.by_gates = self.empty(self.order.working, gates).numpy()
        self.by_gains = [self.projected.new_zeros(size) for size in (gates, gates, self.size, self.size)]
        by_input_gain, by_gain, by_cell_gain, by_cell_bias = (gain.numpy() for gain in self.by_gains)
        products = self.by_projected.numpy(), self.by_product.numpy()
        self.by_product_arrays = self.by_gates, *products, by_input_gain, by_gain
        self.cell_arrays = self.by_cell, self.by_gates, *self.cell_arrays[2:]
        scratch = self.empty(1, self.size).numpy()[0]
        self.by_normal_arrays = self.by_out, self.by_cell, self.by_gates, by_cell_gain, by_cell_bias, scratch

    def _gradients_at(self, start: int) -> int:  # noqa: ARG002
        return 0

    def _output_backward(self, rows: int, start: int, before: int, at: int) -> None:  # noqa: ARG002
        _normalised_output_backward(self.gates, *self.normal_arrays, *self.by_normal_arrays, rows, start, at)

    def _products_backward(self, rows: int, start: int) -> None:
        _unnormalise(*self.product_arrays, *self.by_product_arrays, rows, start)

    def _gains_backward(self) -> tuple[Tensor | None, ...]:
        return tuple(self.by_gains)
