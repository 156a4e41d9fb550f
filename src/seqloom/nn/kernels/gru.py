"""The gated recurrent unit, fused, with its two ways to reset. Gates stand as r, z, n."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from seqloom.nn.kernels.kernel import Kernel, rows_of
from seqloom.nn.kernels.numeric import ONE, Array, add_products, add_to, compiled, sigmoid, tanh
from seqloom.nn.matrix_product import add_product, product, product_into, weight_gradient
from seqloom.nn.recurrence.cell import Weights
from seqloom.nn.recurrence.pass_context import PassContext
from seqloom.nn.recurrence.step_schedule import Step


@compiled
def _after_forward(
    gates: Array,
    bias: Array,
    product: Array,
    inner_bias: Array,
    inner: Array,
    hidden: Array,
    rows: int,
    start: int,
    before: int,
    now: int,
) -> None:
    size = hidden.shape[1]
    for row in range(rows):
        gate, p, m = gates[start + row], product[row], inner[start + row]
        h0, h1 = hidden[before + row], hidden[now + row]
        for j in range(size):
            r = sigmoid(gate[j] + bias[j] + p[j])
            z = sigmoid(gate[size + j] + bias[size + j] + p[size + j])
            m[j] = p[2 * size + j] + inner_bias[j]
            n = tanh(gate[2 * size + j] + bias[2 * size + j] + r * m[j])
            gate[j], gate[size + j], gate[2 * size + j] = r, z, n
            h1[j] = n + z * (h0[j] - n)


@compiled
def _after_backward(
    gates: Array,
    inner: Array,
    hidden: Array,
    by_gates: Array,
    by_bias: Array,
    by_product: Array,
    by_inner_bias: Array,
    by_hidden: Array,
    rows: int,
    start: int,
    before: int,
) -> None:
    size = hidden.shape[1]
    for row in range(rows):
        gate, m, h0 = gates[start + row], inner[start + row], hidden[before + row]
        by_gate, by_p, dh = by_gates[start + row], by_product[start + row], by_hidden[row]
        for j in range(size):
            r, z, n = gate[j], gate[size + j], gate[2 * size + j]
            dn = dh[j] * (ONE - z) * (ONE - n * n)
            dz = dh[j] * (h0[j] - n) * z * (ONE - z)
            dr = dn * m[j] * r * (ONE - r)
            by_gate[j], by_gate[size + j], by_gate[2 * size + j] = dr, dz, dn
            by_p[j], by_p[size + j], by_p[2 * size + j] = dr, dz, dn * r
            dh[j] = dh[j] * z
        add_to(by_bias, by_gate)
        add_to(by_inner_bias, by_p[2 * size :])


@compiled
def _before_reset(
    gates: Array, bias: Array, product: Array, seen: Array, reset: Array, rows: int, start: int, at: int
) -> None:
    """r and z, and r * h, which the second multiplication takes."""
    size = reset.shape[1]
    for row in range(rows):
        gate, p, h, q = gates[start + row], product[row], seen[at + row], reset[start + row]
        for j in range(size):
            r = sigmoid(gate[j] + bias[j] + p[j])
            gate[j] = r
            gate[size + j] = sigmoid(gate[size + j] + bias[size + j] + p[size + j])
            q[j] = r * h[j]


@compiled
def _before_forward(
    gates: Array, bias: Array, product: Array, hidden: Array, rows: int, start: int, before: int, now: int
) -> None:
    size = hidden.shape[1]
    for row in range(rows):
        gate, p, h0, h1 = gates[start + row], product[row], hidden[before + row], hidden[now + row]
        for j in range(size):
            n = tanh(gate[2 * size + j] + bias[2 * size + j] + p[j])
            gate[2 * size + j] = n
            h1[j] = n + gate[size + j] * (h0[j] - n)


@compiled
def _before_backward_new(
    gates: Array, hidden: Array, by_gates: Array, by_hidden: Array, rows: int, start: int, before: int
) -> None:
    size = hidden.shape[1]
    for row in range(rows):
        gate, h0, by_gate, dh = gates[start + row], hidden[before + row], by_gates[start + row], by_hidden[row]
        for j in range(size):
            z, n = gate[size + j], gate[2 * size + j]
            by_gate[size + j] = dh[j] * (h0[j] - n) * z * (ONE - z)
            by_gate[2 * size + j] = dh[j] * (ONE - z) * (ONE - n * n)
            dh[j] = dh[j] * z


@compiled
def _before_backward_reset(
    gates: Array, seen: Array, by_gates: Array, by_bias: Array, by_reset: Array, rows: int, start: int, at: int
) -> None:
    """dr from d(r * h), and by_reset becomes what of h's gradient passes by r."""
    size = by_reset.shape[1]
    for row in range(rows):
        gate, h, by_gate, dq = gates[start + row], seen[at + row], by_gates[start + row], by_reset[row]
        for j in range(size):
            r = gate[j]
            by_gate[j] = dq[j] * h[j] * r * (ONE - r)
            dq[j] = dq[j] * r
        add_to(by_bias, by_gate)


@compiled
def reset_after_step(
    x: Array, before: Array, input_weight: Array, recurrent: Array, bias: Array, inner_bias: Array
) -> tuple[Array]:
    rows, size = before.shape
    gates = np.zeros((rows, 3 * size), x.dtype)
    product = np.zeros_like(gates)
    add_products(x, input_weight, gates)
    add_products(before, recurrent, product)
    hidden = np.empty((2 * rows, size), x.dtype)
    hidden[:rows] = before
    _after_forward(gates, bias, product, inner_bias, np.empty_like(before), hidden, rows, 0, 0, rows)
    return (hidden[rows:],)


class ResetAfterKernel(Kernel):
    def __init__(self, along: PassContext, projected: Tensor, buffers: list[Tensor], weights: Weights) -> None:
        super().__init__(along, projected, buffers, weights)
        self.product = self.empty(along.order.working, projected.shape[1])
        self.inner = self.empty(along.order.elements, self.hidden.shape[1])
        inner_bias = weights[2]
        assert inner_bias is not None
        arrays = self.product.numpy(), inner_bias.detach().numpy(), self.inner.numpy(), self.arrays[0]
        self.forward_arrays = self.gates, self.bias, *arrays

    def forward(self, step: Step) -> None:
        product_into(rows_of(self.product, step), self.seen(step), self.transposed)
        _after_forward(*self.forward_arrays, *step[1:])

    def start_backward(self, gradients: list[Tensor]) -> None:
        super().start_backward(gradients)
        self.by_product = torch.empty_like(self.projected)
        self.by_product_at = self.by_product.split_with_sizes(self.order.sizes)
        self.by_inner_bias = self.projected.new_zeros(self.hidden.shape[1])
        own = self.by_projected, self.by_bias, self.by_product, self.by_inner_bias, gradients[0]
        self.backward_arrays = self.gates, self.inner.numpy(), self.arrays[0], *(tensor.numpy() for tensor in own)

    def backward(self, step: Step, gradients: list[Tensor]) -> None:
        _after_backward(*self.backward_arrays, step.rows, step.start, step.before)
        by_product = self.by_product_at[step.number]
        if self.drop is None:
            add_product(gradients[0], by_product, self.recurrent)
        else:
            gradients[0].addcmul_(product(by_product, self.recurrent), rows_of(self.drop, step))

    def weight_gradients(self) -> Weights:
        return weight_gradient(self.by_product, self.all_seen()), self.by_bias, self.by_inner_bias


class ResetBeforeKernel(Kernel):
    """Two multiplications a step, since the second takes what the reset gate let through."""

    def __init__(self, along: PassContext, projected: Tensor, buffers: list[Tensor], weights: Weights) -> None:
        super().__init__(along, projected, buffers, weights)
        self.size = self.hidden.shape[1]
        self.of_gates, self.of_new = self.recurrent.split_with_sizes([2 * self.size, self.size])
        self.product = self.empty(along.order.working, 2 * self.size)
        self.new_product = self.empty(along.order.working, self.size)
        self.reset = self.empty(along.order.elements, self.size)
        self.reset_at = self.reset.split_with_sizes(along.order.sizes)
        self.seen_array = self.arrays[0] if self.dropped is None else self.dropped.numpy()
        self.reset_arrays = self.gates, self.bias, self.product.numpy(), self.seen_array, self.reset.numpy()
        self.forward_arrays = self.gates, self.bias, self.new_product.numpy(), self.arrays[0]

    def _seen_at(self, step: Step) -> int:
        return step.before if self.dropped is None else step.start

    def forward(self, step: Step) -> None:
        product_into(rows_of(self.product, step), self.seen(step), self.of_gates.t())
        _before_reset(*self.reset_arrays, step.rows, step.start, self._seen_at(step))
        product_into(rows_of(self.new_product, step), self.reset_at[step.number], self.of_new.t())
        _before_forward(*self.forward_arrays, *step[1:])

    def start_backward(self, gradients: list[Tensor]) -> None:
        super().start_backward(gradients)
        self.by_reset = self.empty(self.order.working, self.size)
        by_gates = self.by_projected.numpy()
        self.new_arrays = self.gates, self.arrays[0], by_gates, gradients[0].numpy()
        self.by_reset_arrays = self.gates, self.seen_array, by_gates, self.by_bias.numpy(), self.by_reset.numpy()

    def backward(self, step: Step, gradients: list[Tensor]) -> None:
        _before_backward_new(*self.new_arrays, step.rows, step.start, step.before)
        by_gates, by_new = self.by_projected_at[step.number].split_with_sizes([2 * self.size, self.size], dim=1)
        by_seen = rows_of(self.by_reset, step)
        product_into(by_seen, by_new, self.of_new)
        _before_backward_reset(*self.by_reset_arrays, step.rows, step.start, self._seen_at(step))
        add_product(by_seen, by_gates, self.of_gates)
        self.through_dropout(by_seen)
        gradients[0].add_(by_seen)

    def weight_gradients(self) -> Weights:
        by_gates, by_new = self.by_projected.split_with_sizes([2 * self.size, self.size], dim=1)
        recurrent = torch.cat([weight_gradient(by_gates, self.all_seen()), weight_gradient(by_new, self.reset)])
        return recurrent, self.by_bias, None
