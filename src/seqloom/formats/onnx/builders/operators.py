"""ONNX's recurrent operators, for the cells that they compute exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seqloom.formats.onnx.builders.cells import Memories
from seqloom.formats.onnx.graph import MICROSOFT, Graph, Value
from seqloom.formats.onnx.matrices import Quantized
from seqloom.formats.onnx.rows import Rows
from seqloom.nn.cells.gru import GRU
from seqloom.nn.cells.lstm import LSTM
from seqloom.nn.cells.rnn import RNN
from seqloom.nn.recurrence.cell import Cell

Operator = Callable[[Graph, Any, Value, Memories, Rows, bool], tuple[Value, Memories]]
"""Returns the outputs (time, batch, size) of a cell along a sequence (time, batch, input), and its states."""

IOFG = (0, 3, 1, 2)
"""The order of an LSTM's gates is i, o, f, g in ONNX, and i, f, g, o here."""

ZRN = (1, 0, 2)
"""The order of a GRU's gates is z, r, n in ONNX, and r, z, n here."""


def operator_of(cell: Cell) -> Operator | None:
    """The operator that computes a cell, or None if there is none."""
    if type(cell) is RNN:
        return _rnn
    if type(cell) is GRU:
        return _gru
    if type(cell) is LSTM:
        options = cell.peepholes, cell.recurrent_gain, cell.projection
        plain = not cell.coupled and all(option is None for option in options)
        return _lstm if plain else None
    return None


def gates_in_order(matrix: Tensor, order: tuple[int, ...]) -> NDArray[np.float32]:
    """(1, gates * size, ...): the gates in another order, for one direction."""
    parts = np.split(matrix.detach().cpu().float().numpy(), len(order))
    return np.concatenate([parts[gate] for gate in order])[None]


def _run(
    graph: Graph, kind: str, weights: list[Value], sequence: Value, memories: Memories, rows: Rows, **attributes: Any
) -> tuple[Value, Memories]:
    lengths = graph.cast(rows.lengths, "int32")
    before = [graph.unsqueeze(memory, 0) for memory in memories]
    outputs, *after = graph.ops(kind, [sequence, *weights, lengths, *before], 1 + len(memories), **attributes)
    return graph.squeeze(outputs, 1), [graph.squeeze(memory, 0) for memory in after]


def _direction(backward: bool) -> str:
    return "reverse" if backward else "forward"


def _lstm(
    graph: Graph, cell: LSTM, sequence: Value, memories: Memories, rows: Rows, backward: bool
) -> tuple[Value, Memories]:
    bias = gates_in_order(cell.bias, IOFG)
    both = np.concatenate([bias, np.zeros_like(bias)], axis=1)
    matrices = [gates_in_order(matrix, IOFG) for matrix in (cell.input_weight, cell.recurrent_weight)]
    attributes = {"hidden_size": cell.hidden_size, "direction": _direction(backward)}
    if not graph.int8:
        weights = [graph.weight(matrix) for matrix in (*matrices, both)]
        return _run(graph, "LSTM", weights, sequence, memories, rows, **attributes)
    return _int8_lstm(graph, matrices, both, sequence, memories, rows, attributes)


def _int8_lstm(
    graph: Graph,
    matrices: list[NDArray[np.float32]],
    bias: NDArray[np.float32],
    sequence: Value,
    memories: Memories,
    rows: Rows,
    attributes: dict[str, Any],
) -> tuple[Value, Memories]:
    """ONNX Runtime's own operator takes 8-bit matrices (1, inputs, gates), with a scale and a zero point for each
    gate."""
    numbers, scales = [], []
    for matrix in matrices:
        quantized = Quantized.of(matrix[0])
        numbers.append(graph.weight(np.ascontiguousarray(quantized.numbers.T)[None]))
        zeros = graph.weight(np.zeros((1, len(quantized.scales)), np.int8))
        scales += [graph.weight(quantized.scales[None]), zeros]
    lengths = graph.cast(rows.lengths, "int32")
    before = [graph.unsqueeze(memory, 0) for memory in memories]
    inputs = [sequence, *numbers, graph.weight(bias), lengths, *before, None, *scales]
    outputs, *after = graph.ops("DynamicQuantizeLSTM", inputs, 3, domain=MICROSOFT, **attributes)
    return graph.squeeze(outputs, 1), [graph.squeeze(memory, 0) for memory in after]


def _gru(
    graph: Graph, cell: GRU, sequence: Value, memories: Memories, rows: Rows, backward: bool
) -> tuple[Value, Memories]:
    bias = gates_in_order(cell.bias, ZRN)
    inner = np.zeros_like(bias)
    if cell.inner_bias is not None:
        inner[0, 2 * cell.output_size :] = cell.inner_bias.detach().cpu().float().numpy()
    matrices = (gates_in_order(matrix, ZRN) for matrix in (cell.input_weight, cell.recurrent_weight))
    weights = [graph.weight(matrix) for matrix in (*matrices, np.concatenate([bias, inner], axis=1))]
    attributes = {"hidden_size": cell.output_size, "direction": _direction(backward)}
    after = int(cell.reset == "after")
    return _run(graph, "GRU", weights, sequence, memories, rows, linear_before_reset=after, **attributes)


def _rnn(
    graph: Graph, cell: RNN, sequence: Value, memories: Memories, rows: Rows, backward: bool
) -> tuple[Value, Memories]:
    bias = cell.bias.detach().cpu().float().numpy()[None]
    weights = [graph.weight(m.detach().cpu().float().numpy()[None]) for m in (cell.input_weight, cell.recurrent_weight)]
    weights.append(graph.weight(np.concatenate([bias, np.zeros_like(bias)], axis=1)))
    activation = "Tanh" if cell.activation == "tanh" else "Relu"
    attributes = {"hidden_size": cell.output_size, "direction": _direction(backward), "activations": [activation]}
    return _run(graph, "RNN", weights, sequence, memories, rows, **attributes)
