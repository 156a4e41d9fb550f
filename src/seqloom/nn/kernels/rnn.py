"""The simple recurrent network, fused."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from seqloom.nn.kernels.fused_recurrence import Kernel
from seqloom.nn.kernels.numeric import ONE, ZERO, Array, add_products, compiled, tanh
from seqloom.nn.matrix_product import add_product, product_into
from seqloom.nn.recurrence.types import ScheduledStep, Weights


@compiled
def _tanh_forward(gates: Array, bias: Array, hidden: Array, rows: int, start: int, current: int) -> None:
    for row in range(rows):
        gate, h = gates[start + row], hidden[current + row]
        for j in range(h.shape[0]):
            gate[j] = tanh(gate[j] + bias[j])
            h[j] = gate[j]


@compiled
def _relu_forward(gates: Array, bias: Array, hidden: Array, rows: int, start: int, current: int) -> None:
    for row in range(rows):
        gate, h = gates[start + row], hidden[current + row]
        for j in range(h.shape[0]):
            x = gate[j] + bias[j]
            gate[j] = ZERO if x < ZERO else x  # a NaN stays
            h[j] = gate[j]


@compiled
def _tanh_backward(
    gates: Array, grad_gates: Array, grad_bias: Array, grad_hidden: Array, rows: int, start: int
) -> None:
    for row in range(rows):
        gate, grad_gate, dh = gates[start + row], grad_gates[start + row], grad_hidden[row]
        for j in range(dh.shape[0]):
            grad_gate[j] = dh[j] * (ONE - gate[j] * gate[j])
            grad_bias[j] += grad_gate[j]


@compiled
def _relu_backward(
    gates: Array, grad_gates: Array, grad_bias: Array, grad_hidden: Array, rows: int, start: int
) -> None:
    for row in range(rows):
        gate, grad_gate, dh = gates[start + row], grad_gates[start + row], grad_hidden[row]
        for j in range(dh.shape[0]):
            grad_gate[j] = dh[j] if gate[j] > ZERO else ZERO
            grad_bias[j] += grad_gate[j]


@compiled
def tanh_step(x: Array, hidden: Array, input_weight: Array, recurrent: Array, bias: Array) -> tuple[Array]:
    new = np.zeros_like(hidden)
    add_products(x, input_weight, new)
    add_products(hidden, recurrent, new)
    _tanh_forward(new, bias, new, len(x), 0, 0)
    return (new,)


class RNNKernel(Kernel):
    """The projected inputs become the new hidden states, in place."""

    forward_pass: Any
    backward_pass: Any

    def forward(self, step: ScheduledStep) -> None:
        add_product(self.projected_by_step[step.number], self.recurrent_input(step), self.recurrent_t)
        self.forward_pass(self.gates, self.bias, self.buffer_arrays[0], step.rows, step.start, step.current)

    def start_backward(self, gradients: list[Tensor]) -> None:
        super().start_backward(gradients)
        self.backward_arrays = self.gates, self.grad_projected.numpy(), self.grad_bias.numpy(), gradients[0].numpy()

    def backward(self, step: ScheduledStep, gradients: list[Tensor]) -> None:
        self.backward_pass(*self.backward_arrays, step.rows, step.start)
        product_into(gradients[0], self.grad_projected_by_step[step.number], self.recurrent)
        self.dropout_backward(gradients[0])

    def weight_gradients(self) -> Weights:
        return self.recurrent_gradient(self.grad_projected), self.grad_bias


class TanhKernel(RNNKernel):
    forward_pass = staticmethod(_tanh_forward)
    backward_pass = staticmethod(_tanh_backward)


class ReluKernel(RNNKernel):
    forward_pass = staticmethod(_relu_forward)
    backward_pass = staticmethod(_relu_backward)
