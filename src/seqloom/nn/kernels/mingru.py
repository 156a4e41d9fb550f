"""The minimal gated recurrent unit, fused: its steps need no matrix product. The gates are in the order z, n."""

from __future__ import annotations

from torch import Tensor

from seqloom.nn.kernels.fused_recurrence import Kernel
from seqloom.nn.kernels.numeric import ONE, Array, compiled, sigmoid
from seqloom.nn.recurrence.types import ScheduledStep, Weights


@compiled
def _forward(gates: Array, bias: Array, hidden: Array, rows: int, start: int, previous: int, current: int) -> None:
    size = hidden.shape[1]
    for row in range(rows):
        gate, h0, h1 = gates[start + row], hidden[previous + row], hidden[current + row]
        for j in range(size):
            z, n = sigmoid(gate[j] + bias[j]), gate[size + j] + bias[size + j]
            gate[j], gate[size + j] = z, n
            h1[j] = n + z * (h0[j] - n)


@compiled
def _backward(
    gates: Array,
    hidden: Array,
    grad_gates: Array,
    grad_bias: Array,
    grad_hidden: Array,
    rows: int,
    start: int,
    previous: int,
) -> None:
    size = hidden.shape[1]
    for row in range(rows):
        gate, h0, grad_gate, dh = gates[start + row], hidden[previous + row], grad_gates[start + row], grad_hidden[row]
        for j in range(size):
            z, n = gate[j], gate[size + j]
            grad_gate[j] = dh[j] * (h0[j] - n) * z * (ONE - z)
            grad_gate[size + j] = dh[j] * (ONE - z)
            grad_bias[j] += grad_gate[j]
            grad_bias[size + j] += grad_gate[size + j]
            dh[j] = dh[j] * z


class MinGRUKernel(Kernel):
    def forward(self, step: ScheduledStep) -> None:
        _forward(self.gates, self.bias, self.buffer_arrays[0], *step[1:])

    def start_backward(self, gradients: list[Tensor]) -> None:
        super().start_backward(gradients)
        gradient_arrays = self.grad_projected.numpy(), self.grad_bias.numpy(), gradients[0].numpy()
        self.backward_arrays = self.gates, self.buffer_arrays[0], *gradient_arrays

    def backward(self, step: ScheduledStep, gradients: list[Tensor]) -> None:  # noqa: ARG002
        _backward(*self.backward_arrays, step.rows, step.start, step.previous)

    def weight_gradients(self) -> Weights:
        return None, self.grad_bias
