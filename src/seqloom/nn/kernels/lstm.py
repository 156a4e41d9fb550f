"""Long short-term memory, fused, with its options. Gates stand as i, f, g, o; as i, g, o where they are coupled."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from seqloom.nn.along import Along
from seqloom.nn.cell import Weights
from seqloom.nn.kernels.kernel import Kernel, rows_of
from seqloom.nn.kernels.numeric import ONE, Array, add_products, add_to, compiled, sigmoid, tanh
from seqloom.nn.order import Step


@compiled
def _forward(
    gates: Array,
    bias: Array,
    cell: Array,
    out: Array,
    peepholes: Array,
    rows: int,
    start: int,
    before: int,
    now: int,
    out_at: int,
) -> None:
    """Gates, c_t, and o * tanh(c_t) into `out`."""
    size = cell.shape[1]
    coupled = gates.shape[1] == 3 * size
    p_i, p_f, p_o = peepholes[0], peepholes[1], peepholes[-1]
    for row in range(rows):
        gate, c0, c1, h = gates[start + row], cell[before + row], cell[now + row], out[out_at + row]
        # A loop over few arrays becomes vector code; one over all of them would not.
        of_i, of_o = gate[:size], gate[gates.shape[1] - size :]
        for j in range(size):
            of_i[j] = sigmoid(of_i[j] + bias[j] + p_i[j] * c0[j])
        if coupled:
            of_g = gate[size : 2 * size]
            for j in range(size):
                g = tanh(of_g[j] + bias[size + j])
                of_g[j] = g
                c1[j] = c0[j] + of_i[j] * (g - c0[j])
        else:
            of_f, of_g = gate[size : 2 * size], gate[2 * size : 3 * size]
            for j in range(size):
                of_f[j] = sigmoid(of_f[j] + bias[size + j] + p_f[j] * c0[j])
            for j in range(size):
                g = tanh(of_g[j] + bias[2 * size + j])
                of_g[j] = g
                c1[j] = of_f[j] * c0[j] + of_i[j] * g
        for j in range(size):
            o = sigmoid(of_o[j] + bias[gates.shape[1] - size + j] + p_o[j] * c1[j])
            of_o[j] = o
            h[j] = o * tanh(c1[j])


@compiled
def _output_backward(
    gates: Array,
    cell: Array,
    by_out: Array,
    by_cell: Array,
    by_gates: Array,
    rows: int,
    start: int,
    before: int,
    at: int,
) -> None:
    """The output gate's gradient, and the cell state's through the output. c_t before zoneout comes from the gates."""
    size = by_cell.shape[1]
    coupled = gates.shape[1] == 3 * size
    o_at = gates.shape[1] - size
    for row in range(rows):
        gate, c0, dh, dc = gates[start + row], cell[before + row], by_out[row], by_cell[row]
        of_o, by_o = gate[o_at:], by_gates[at + row, o_at:]
        for j in range(size):
            if coupled:
                c = c0[j] + gate[j] * (gate[size + j] - c0[j])
            else:
                c = gate[size + j] * c0[j] + gate[j] * gate[2 * size + j]
            o, t = of_o[j], tanh(c)
            by_o[j] = dh[j] * t * o * (ONE - o)
            dc[j] += dh[j] * o * (ONE - t * t)


@compiled
def _cell_backward(
    gates: Array,
    cell: Array,
    peepholes: Array,
    by_cell: Array,
    by_gates: Array,
    by_bias: Array,
    totals: Array,
    rows: int,
    start: int,
    before: int,
    at: int,
) -> None:
    """From the gradient of c_t but for the output gate's peephole to those of the gates and of c_{t-1}.

    `totals`, unless it is empty, takes the whole gradient of c_t.
    """
    size = by_cell.shape[1]
    noted = totals.shape[0] > 0
    coupled = gates.shape[1] == 3 * size
    p_i, p_f, p_o = peepholes[0], peepholes[1], peepholes[-1]
    for row in range(rows):
        gate, c0, dc, by_gate = gates[start + row], cell[before + row], by_cell[row], by_gates[at + row]
        by_o = by_gate[gates.shape[1] - size :]
        if noted:
            for j in range(size):
                totals[row, j] = dc[j] + p_o[j] * by_o[j]
        if coupled:
            for j in range(size):
                i, g = gate[j], gate[size + j]
                x = dc[j] + p_o[j] * by_o[j]
                di = x * (g - c0[j]) * i * (ONE - i)
                by_gate[j], by_gate[size + j] = di, x * i * (ONE - g * g)
                dc[j] = x * (ONE - i) + p_i[j] * di
        else:
            for j in range(size):
                i, f, g = gate[j], gate[size + j], gate[2 * size + j]
                x = dc[j] + p_o[j] * by_o[j]
                di = x * g * i * (ONE - i)
                df = x * c0[j] * f * (ONE - f)
                by_gate[j], by_gate[size + j], by_gate[2 * size + j] = di, df, x * i * (ONE - g * g)
                dc[j] = x * f + p_i[j] * di + p_f[j] * df
        add_to(by_bias, by_gate)


@compiled
def _peephole_gradients(
    gates: Array, cell: Array, by_gates: Array, by_peepholes: Array, rows: int, start: int, before: int, at: int
) -> None:
    size = cell.shape[1]
    coupled = gates.shape[1] == 3 * size
    o_at = gates.shape[1] - size
    by_i, by_f, by_o = by_peepholes[0], by_peepholes[1], by_peepholes[-1]
    for row in range(rows):
        gate, c0, by_gate = gates[start + row], cell[before + row], by_gates[at + row]
        for j in range(size):
            by_i[j] += by_gate[j] * c0[j]
        if coupled:
            for j in range(size):
                by_o[j] += by_gate[o_at + j] * (c0[j] + gate[j] * (gate[size + j] - c0[j]))
        else:
            for j in range(size):
                by_f[j] += by_gate[size + j] * c0[j]
                by_o[j] += by_gate[o_at + j] * (gate[size + j] * c0[j] + gate[j] * gate[2 * size + j])


@compiled
def lstm_step(
    x: Array,
    hidden: Array,
    before: Array,
    input_weight: Array,
    recurrent: Array,
    bias: Array,
    peepholes: Array | None = None,
) -> tuple[Array, Array]:
    """For a cell without projection or normalisation."""
    rows, size = before.shape
    gates = np.zeros((rows, len(bias)), x.dtype)
    add_products(x, input_weight, gates)
    add_products(hidden, recurrent, gates)
    out, cell = np.empty_like(before), np.empty((2 * rows, size), x.dtype)
    cell[:rows] = before
    seen = np.zeros((3, size), x.dtype) if peepholes is None else peepholes
    _forward(gates, bias, cell, out, seen, rows, 0, 0, rows, 0)
    return out, cell[rows:]


class LSTMKernel(Kernel):
    """The gates stand where the products with the inputs were, and their gradients in that of these products."""

    def __init__(self, along: Along, projected: Tensor, buffers: list[Tensor], weights: Weights) -> None:
        super().__init__(along, projected, buffers, weights)
        peepholes, projection = weights[2], weights[-1]
        self.size, self.cell = buffers[1].shape[1], self.arrays[1]
        self.peephole = peepholes is not None
        self.peepholes = np.zeros((3, self.size), self.gates.dtype) if peepholes is None else peepholes.detach().numpy()
        self.projection = None if projection is None else projection.detach()
        # What a projection takes; without one, the hidden state itself.
        self.unprojected = self.hidden if projection is None else self.empty(along.order.elements, self.size)
        self.out = self.unprojected.numpy()

    def forward(self, step: Step) -> None:
        _, rows, start, before, now = step
        out_at = now if self.projection is None else start
        self._gates(step)
        _forward(self.gates, self.bias, self.cell, self.out, self.peepholes, rows, start, before, now, out_at)
        self._output(rows, start, now, out_at)
        if self.projection is not None:
            taken = self.unprojected[start : start + rows]
            torch.mm(taken, self.projection.t(), out=self.hidden_at[step.number + 1])

    def _gates(self, step: Step) -> None:
        """What the gates' functions take, but for the bias."""
        self.projected_at[step.number].addmm_(self.seen(step), self.transposed)

    def _output(self, rows: int, start: int, now: int, out_at: int) -> None:
        """What is to be done to the output besides."""

    def start_backward(self, gradients: list[Tensor]) -> None:
        super().start_backward(gradients)
        self.by_product, self.by_product_at = self.by_projected, self.by_projected_at
        self.by_gates = self.by_projected.numpy()
        self.by_peepholes = np.zeros_like(self.peepholes)
        self.totals = self.empty(0 if self.norms is None else self.order.working, self.size)
        self.by_out_rows, self.by_cell = gradients[0], gradients[1].numpy()
        if self.projection is not None:
            self.by_out_rows = self.empty(self.order.working, self.size)
            self.by_hidden = self.empty(self.order.elements, gradients[0].shape[1])
        self.by_out = self.by_out_rows.numpy()
        self.cell_arrays = self.by_cell, self.by_gates, self.by_bias.numpy(), self.totals.numpy()

    def backward(self, step: Step, gradients: list[Tensor]) -> None:
        _, rows, start, before, _ = step
        if self.projection is not None:
            self.by_hidden[start : start + rows] = gradients[0]
            torch.mm(gradients[0], self.projection, out=rows_of(self.by_out_rows, step))
        at = self._gradients_at(start)
        self._output_backward(rows, start, before, at)
        _cell_backward(self.gates, self.cell, self.peepholes, *self.cell_arrays, rows, start, before, at)
        if self.norms is not None and self.noise.zones[1] is None:
            self.norms.write_one(step, 1, self.totals[:rows])  # with what passes by h_t, which zoneout cuts off
        if self.peephole:
            _peephole_gradients(self.gates, self.cell, self.by_gates, self.by_peepholes, rows, start, before, at)
        self._products_backward(rows, start)
        torch.mm(self.by_product_at[step.number], self.recurrent, out=gradients[0])
        self.through_dropout(gradients[0])

    def _gradients_at(self, start: int) -> int:
        """Where in `by_gates` the gradients of the gates of a step stand."""
        return start

    def _output_backward(self, rows: int, start: int, before: int, at: int) -> None:
        _output_backward(self.gates, self.cell, self.by_out, self.by_cell, self.by_gates, rows, start, before, at)

    def _products_backward(self, rows: int, start: int) -> None:
        """From the gradients of the gates to those of the products."""

    def weight_gradients(self) -> Weights:
        recurrent = self.by_product.t() @ self.all_seen()
        peepholes = torch.from_numpy(self.by_peepholes) if self.peephole else None
        projection = None if self.projection is None else self.by_hidden.t() @ self.unprojected
        return recurrent, self.by_bias, peepholes, *self._gains_backward(), projection

    def _gains_backward(self) -> tuple[Tensor | None, ...]:
        return None, None, None, None
