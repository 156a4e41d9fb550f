"""The gated recurrent unit, fused, with its reset gate after or before the recurrent product. The gates are in the
order r, z, n."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from seqloom.nn.kernels.fused_recurrence import Kernel, rows_of
from seqloom.nn.kernels.numeric import ONE, Array, add_products, add_to, compiled, sigmoid, tanh
from seqloom.nn.matrix_product import add_product, product, product_into, weight_gradient
from seqloom.nn.recurrence.pass_context import PassContext
from seqloom.nn.recurrence.types import ScheduledStep, Weights


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
    previous: int,
    current: int,
) -> None:
    size = hidden.shape[1]
    for row in range(rows):
        gate, p, m = gates[start + row], product[row], inner[start + row]
        h0, h1 = hidden[previous + row], hidden[current + row]
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
    grad_gates: Array,
    grad_bias: Array,
    grad_product: Array,
    grad_inner_bias: Array,
    grad_hidden: Array,
    rows: int,
    start: int,
    previous: int,
) -> None:
    size = hidden.shape[1]
    for row in range(rows):
        gate, m, h0 = gates[start + row], inner[start + row], hidden[previous + row]
        grad_gate, grad_p, dh = grad_gates[start + row], grad_product[start + row], grad_hidden[row]
        for j in range(size):
            r, z, n = gate[j], gate[size + j], gate[2 * size + j]
            dn = dh[j] * (ONE - z) * (ONE - n * n)
            dz = dh[j] * (h0[j] - n) * z * (ONE - z)
            dr = dn * m[j] * r * (ONE - r)
            grad_gate[j], grad_gate[size + j], grad_gate[2 * size + j] = dr, dz, dn
            grad_p[j], grad_p[size + j], grad_p[2 * size + j] = dr, dz, dn * r
            dh[j] = dh[j] * z
        add_to(grad_bias, grad_gate)
        add_to(grad_inner_bias, grad_p[2 * size :])


@compiled
def _before_reset(
    gates: Array,
    bias: Array,
    product: Array,
    recurrent_input: Array,
    reset: Array,
    rows: int,
    start: int,
    input_start: int,
) -> None:
    """Writes r, z and r * h, the input of the second matrix product."""
    size = reset.shape[1]
    for row in range(rows):
        gate, p, h, q = gates[start + row], product[row], recurrent_input[input_start + row], reset[start + row]
        for j in range(size):
            r = sigmoid(gate[j] + bias[j] + p[j])
            gate[j] = r
            gate[size + j] = sigmoid(gate[size + j] + bias[size + j] + p[size + j])
            q[j] = r * h[j]


@compiled
def _before_forward(
    gates: Array, bias: Array, product: Array, hidden: Array, rows: int, start: int, previous: int, current: int
) -> None:
    size = hidden.shape[1]
    for row in range(rows):
        gate, p, h0, h1 = gates[start + row], product[row], hidden[previous + row], hidden[current + row]
        for j in range(size):
            n = tanh(gate[2 * size + j] + bias[2 * size + j] + p[j])
            gate[2 * size + j] = n
            h1[j] = n + gate[size + j] * (h0[j] - n)


@compiled
def _before_backward_new(
    gates: Array, hidden: Array, grad_gates: Array, grad_hidden: Array, rows: int, start: int, previous: int
) -> None:
    size = hidden.shape[1]
    for row in range(rows):
        gate, h0, grad_gate, dh = gates[start + row], hidden[previous + row], grad_gates[start + row], grad_hidden[row]
        for j in range(size):
            z, n = gate[size + j], gate[2 * size + j]
            grad_gate[size + j] = dh[j] * (h0[j] - n) * z * (ONE - z)
            grad_gate[2 * size + j] = dh[j] * (ONE - z) * (ONE - n * n)
            dh[j] = dh[j] * z


@compiled
def _before_backward_reset(
    gates: Array,
    recurrent_input: Array,
    grad_gates: Array,
    grad_bias: Array,
    grad_reset: Array,
    rows: int,
    start: int,
    input_start: int,
) -> None:
    """Writes the gradient of r from `grad_reset`, that of r * h, which becomes the part of h's gradient that passes
    through r."""
    size = grad_reset.shape[1]
    for row in range(rows):
        gate, h, grad_gate, dq = (
            gates[start + row],
            recurrent_input[input_start + row],
            grad_gates[start + row],
            grad_reset[row],
        )
        for j in range(size):
            r = gate[j]
            grad_gate[j] = dq[j] * h[j] * r * (ONE - r)
            dq[j] = dq[j] * r
        add_to(grad_bias, grad_gate)


@compiled
def reset_after_step(
    x: Array, previous: Array, input_weight: Array, recurrent: Array, bias: Array, inner_bias: Array
) -> tuple[Array]:
    rows, size = previous.shape
    gates = np.zeros((rows, 3 * size), x.dtype)
    product = np.zeros_like(gates)
    add_products(x, input_weight, gates)
    add_products(previous, recurrent, product)
    hidden = np.empty((2 * rows, size), x.dtype)
    hidden[:rows] = previous
    _after_forward(gates, bias, product, inner_bias, np.empty_like(previous), hidden, rows, 0, 0, rows)
    return (hidden[rows:],)


class ResetAfterKernel(Kernel):
    def __init__(self, context: PassContext, projected: Tensor, buffers: list[Tensor], weights: Weights) -> None:
        super().__init__(context, projected, buffers, weights)
        self.product = self.empty(context.schedule.active_rows, projected.shape[1])
        self.inner = self.empty(context.schedule.num_elements, self.hidden.shape[1])
        inner_bias = weights[2]
        assert inner_bias is not None
        arrays = self.product.numpy(), inner_bias.detach().numpy(), self.inner.numpy(), self.buffer_arrays[0]
        self.forward_arrays = self.gates, self.bias, *arrays

    def forward(self, step: ScheduledStep) -> None:
        product_into(rows_of(self.product, step), self.recurrent_input(step), self.recurrent_t)
        _after_forward(*self.forward_arrays, *step[1:])

    def start_backward(self, gradients: list[Tensor]) -> None:
        super().start_backward(gradients)
        self.grad_product = torch.empty_like(self.projected)
        self.grad_product_by_step = self.grad_product.split_with_sizes(self.schedule.batch_sizes)
        self.grad_inner_bias = self.projected.new_zeros(self.hidden.shape[1])
        grads = self.grad_projected, self.grad_bias, self.grad_product, self.grad_inner_bias, gradients[0]
        self.backward_arrays = self.gates, self.inner.numpy(), self.buffer_arrays[0], *(grad.numpy() for grad in grads)

    def backward(self, step: ScheduledStep, gradients: list[Tensor]) -> None:
        _after_backward(*self.backward_arrays, step.rows, step.start, step.previous)
        grad_product = self.grad_product_by_step[step.number]
        if self.dropout_mask is None:
            add_product(gradients[0], grad_product, self.recurrent)
        else:
            gradients[0].addcmul_(product(grad_product, self.recurrent), rows_of(self.dropout_mask, step))

    def weight_gradients(self) -> Weights:
        return self.recurrent_gradient(self.grad_product), self.grad_bias, self.grad_inner_bias


class ResetBeforeKernel(Kernel):
    """Two matrix products in each step: the second needs the result of the reset gate."""

    def __init__(self, context: PassContext, projected: Tensor, buffers: list[Tensor], weights: Weights) -> None:
        super().__init__(context, projected, buffers, weights)
        self.size = self.hidden.shape[1]
        self.gate_weight, self.new_weight = self.recurrent.split_with_sizes([2 * self.size, self.size])
        self.product = self.empty(context.schedule.active_rows, 2 * self.size)
        self.new_product = self.empty(context.schedule.active_rows, self.size)
        self.reset = self.empty(context.schedule.num_elements, self.size)
        self.reset_by_step = self.reset.split_with_sizes(context.schedule.batch_sizes)
        self.recurrent_input_array = self.buffer_arrays[0] if self.dropped is None else self.dropped.numpy()
        reset_arrays = self.product.numpy(), self.recurrent_input_array, self.reset.numpy()
        self.reset_arrays = self.gates, self.bias, *reset_arrays
        self.forward_arrays = self.gates, self.bias, self.new_product.numpy(), self.buffer_arrays[0]

    def _input_start(self, step: ScheduledStep) -> int:
        return step.previous if self.dropped is None else step.start

    def forward(self, step: ScheduledStep) -> None:
        product_into(rows_of(self.product, step), self.recurrent_input(step), self.gate_weight.t())
        _before_reset(*self.reset_arrays, step.rows, step.start, self._input_start(step))
        product_into(rows_of(self.new_product, step), self.reset_by_step[step.number], self.new_weight.t())
        _before_forward(*self.forward_arrays, *step[1:])

    def start_backward(self, gradients: list[Tensor]) -> None:
        super().start_backward(gradients)
        self.grad_reset = self.empty(self.schedule.active_rows, self.size)
        grad_gates = self.grad_projected.numpy()
        self.new_arrays = self.gates, self.buffer_arrays[0], grad_gates, gradients[0].numpy()
        grads = grad_gates, self.grad_bias.numpy(), self.grad_reset.numpy()
        self.grad_reset_arrays = self.gates, self.recurrent_input_array, *grads

    def backward(self, step: ScheduledStep, gradients: list[Tensor]) -> None:
        _before_backward_new(*self.new_arrays, step.rows, step.start, step.previous)
        grad_projected = self.grad_projected_by_step[step.number]
        grad_gates, grad_new = grad_projected.split_with_sizes([2 * self.size, self.size], dim=1)
        grad_input = rows_of(self.grad_reset, step)
        product_into(grad_input, grad_new, self.new_weight)
        _before_backward_reset(*self.grad_reset_arrays, step.rows, step.start, self._input_start(step))
        add_product(grad_input, grad_gates, self.gate_weight)
        self.dropout_backward(grad_input)
        gradients[0].add_(grad_input)

    def weight_gradients(self) -> Weights:
        grad_gates, grad_new = self.grad_projected.split_with_sizes([2 * self.size, self.size], dim=1)
        grad_new_weight = weight_gradient(grad_new, self.reset, self.recurrent.dtype)
        return torch.cat([self.recurrent_gradient(grad_gates), grad_new_weight]), self.grad_bias, None
