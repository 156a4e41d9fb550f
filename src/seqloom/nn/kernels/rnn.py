"""The simple recurrent network, fused."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from seqloom.nn.kernels.kernel import Kernel
from seqloom.nn.kernels.numeric import ONE, ZERO, Array, add_products, compiled, tanh
from seqloom.nn.matrix_product import add_product, product_into, weight_gradient
from seqloom.nn.recurrence.cell import Weights
from seqloom.nn.recurrence.step_schedule import Step


@compiled
def _tanh_forward(gates: Array, bias: Array, hidden: Array, rows: int, start: int, now: int) -> None:
    for row in range(rows):
        gate, h = gates[start + row], hidden[now + row]
        for j in range(h.shape[0]):
            gate[j] = tanh(gate[j] + bias[j])
            h[j] = gate[j]


@compiled
def _relu_forward(gates: Array, bias: Array, hidden: Array, rows: int, start: int, now: int) -> None:
    for row in range(rows):
        gate, h = gates[start + row], hidden[now + row]
        for j in range(h.shape[0]):
            x = gate[j] + bias[j]
            gate[j] = ZERO if x < ZERO else x  # a NaN stays
            h[j] = gate[j]


@compiled
def _tanh_backward(gates: Array, by_gates: Array, by_bias: Array, by_hidden: Array, rows: int, start: int) -> None:
    for row in range(rows):
        gate, by_gate, dh = gates[start + row], by_gates[start + row], by_hidden[row]
        for j in range(dh.shape[0]):
            by_gate[j] = dh[j] * (ONE - gate[j] * gate[j])
            by_bias[j] += by_gate[j]


@compiled
def _relu_backward(gates: Array, by_gates: Array, by_bias: Array, by_hidden: Array, rows: int, start: int) -> None:
    for row in range(rows):
        gate, by_gate, dh = gates[start + row], by_gates[start + row], by_hidden[row]
        for j in range(dh.shape[0]):
            by_gate[j] = dh[j] if gate[j] > ZERO else ZERO
            by_bias[j] += by_gate[j]


@compiled
def tanh_step(x: Array, hidden: Array, input_weight: Array, recurrent: Array, bias: Array) -> tuple[Array]:
    after = np.zeros_like(hidden)
    add_products(x, input_weight, after)
    add_products(hidden, recurrent, after)
    _tanh_forward(after, bias, after, len(x), 0, 0)
    return (after,)


class RNNKernel(Kernel):
    """The gates become the new hidden states, in place."""

    forward_pass: Any
    backward_pass: Any

    def forward(self, step: Step) -> None:
        add_product(self.projected_at[step.number], self.seen(step), self.transposed)
        self.forward_pass(self.gates, self.bias, self.arrays[0], step.rows, step.start, step.now)

    def start_backward(self, gradients: list[Tensor]) -> None:
        super().start_backward(gradients)
        self.backward_arrays = self.gates, self.by_projected.numpy(), self.by_bias.numpy(), gradients[0].numpy()

    def backward(self, step: Step, gradients: list[Tensor]) -> None:
        self.backward_pass(*self.backward_arrays, step.rows, step.start)
        product_into(gradients[0], self.by_projected_at[step.number], self.recurrent)
        self.through_dropout(gradients[0])

    def weight_gradients(self) -> Weights:
        return weight_gradient(self.by_projected, self.all_seen()), self.by_bias


class TanhKernel(RNNKernel):
    forward_pass = staticmethod(_tanh_forward)
    backward_pass = staticmethod(_tanh_backward)


class ReluKernel(RNNKernel):
    forward_pass = staticmethod(_relu_forward)
    backward_pass = staticmethod(_relu_backward)
