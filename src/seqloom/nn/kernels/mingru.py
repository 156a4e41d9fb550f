"""The minimal gated recurrent unit, fused: no multiplication waits for a step. Gates stand as z, n."""

from __future__ import annotations

from torch import Tensor

from seqloom.nn.kernels.kernel import Kernel
from seqloom.nn.kernels.numeric import ONE, Array, compiled, sigmoid
from seqloom.nn.recurrence.cell import Weights
from seqloom.nn.recurrence.step_schedule import Step


@compiled
def _forward(gates: Array, bias: Array, hidden: Array, rows: int, start: int, before: int, now: int) -> None:
    size = hidden.shape[1]
    for row in range(rows):
        gate, h0, h1 = gates[start + row], hidden[before + row], hidden[now + row]
        for j in range(size):
            z, n = sigmoid(gate[j] + bias[j]), gate[size + j] + bias[size + j]
            gate[j], gate[size + j] = z, n
            h1[j] = n + z * (h0[j] - n)


@compiled
def _backward(
    gates: Array, hidden: Array, by_gates: Array, by_bias: Array, by_hidden: Array, rows: int, start: int, before: int
) -> None:
    size = hidden.shape[1]
    for row in range(rows):
        gate, h0, by_gate, dh = gates[start + row], hidden[before + row], by_gates[start + row], by_hidden[row]
        for j in range(size):
            z, n = gate[j], gate[size + j]
            by_gate[j] = dh[j] * (h0[j] - n) * z * (ONE - z)
            by_gate[size + j] = dh[j] * (ONE - z)
            by_bias[j] += by_gate[j]
            by_bias[size + j] += by_gate[size + j]
            dh[j] = dh[j] * z


class MinGRUKernel(Kernel):
    def forward(self, step: Step) -> None:
        _forward(self.gates, self.bias, self.arrays[0], *step[1:])

    def start_backward(self, gradients: list[Tensor]) -> None:
        super().start_backward(gradients)
        own = self.by_projected.numpy(), self.by_bias.numpy(), gradients[0].numpy()
        self.backward_arrays = self.gates, self.arrays[0], *own

    def backward(self, step: Step, gradients: list[Tensor]) -> None:  # noqa: ARG002
        _backward(*self.backward_arrays, step.rows, step.start, step.before)

    def weight_gradients(self) -> Weights:
        return None, self.by_bias
