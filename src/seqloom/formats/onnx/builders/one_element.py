"""One element of one row by the cells that ONNX has operators for, with the weights of those operators: the operators
pack their matrices for many rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from seqloom.formats.onnx.builders.cells import Memories
from seqloom.formats.onnx.builders.operators import IOFG, ZRN, gates_in_order, operator_of
from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.matrices import product_of_one
from seqloom.nn.cells.gru import GRU
from seqloom.nn.cells.lstm import LSTM
from seqloom.nn.cells.rnn import RNN
from seqloom.nn.recurrence.cell import Cell

OneElement = Callable[[Graph, Any, Value, Memories], Memories]
"""Maps an element (1, 1, input) and the memories (1, size) to the memories after it (1, 1, size)."""


def one_element_of(cell: Cell) -> OneElement | None:
    """The builder of a cell, or None if it has no operator, or keeps a part of its memories (zoneout)."""
    if operator_of(cell) is None or any(cell.zoneout):
        return None
    if isinstance(cell, LSTM):
        return _lstm
    return _gru if isinstance(cell, GRU) else _rnn


def _gates(graph: Graph, matrix: Tensor, order: tuple[int, ...]) -> Value:
    """(1, inputs, gates * size)"""
    # With two axes, since ONNX Runtime would join the transposition of three with the product.
    operators = graph.squeeze(graph.weight(gates_in_order(matrix, order)), 0)
    return graph.unsqueeze(graph.op("Transpose", operators, perm=[1, 0]), 0)


def _lstm(graph: Graph, cell: LSTM, element: Value, memories: Memories) -> Memories:
    hidden, state = memories
    bias = gates_in_order(cell.bias, IOFG)[0]
    of_element = product_of_one(graph, element, _gates(graph, cell.input_weight, IOFG), bias)
    of_hidden = product_of_one(graph, hidden, _gates(graph, cell.recurrent_weight, IOFG), None)
    together = graph.op("Add", of_element, of_hidden)
    gates, new = graph.split(together, [3 * cell.hidden_size, cell.hidden_size])
    i, o, f = graph.split(graph.op("Sigmoid", gates), [cell.hidden_size] * 3)
    written = graph.op("Mul", i, graph.op("Tanh", new))
    state = graph.op("Add", graph.op("Mul", f, state), written)
    return [graph.op("Mul", o, graph.op("Tanh", state)), state]


def _gru(graph: Graph, cell: GRU, element: Value, memories: Memories) -> Memories:
    size, (hidden,) = cell.output_size, memories
    bias = gates_in_order(cell.bias, ZRN)[0]
    of_element = product_of_one(graph, element, _gates(graph, cell.input_weight, ZRN), bias)
    for_gates, for_new = graph.split(of_element, [2 * size, size])
    recurrent = _gates(graph, cell.recurrent_weight, ZRN)
    if cell.reset == "after":
        products = graph.split(product_of_one(graph, hidden, recurrent, None), [2 * size, size])
        z, r = _opened(graph, for_gates, products[0], size)
        assert cell.inner_bias is not None
        inner = graph.op("Mul", r, graph.op("Add", products[1], graph.weight(cell.inner_bias)))
    else:
        of_gates, of_new = graph.split(recurrent, [2 * size, size])
        z, r = _opened(graph, for_gates, product_of_one(graph, hidden, of_gates, None), size)
        inner = product_of_one(graph, graph.op("Mul", r, hidden), of_new, None)
    new = graph.op("Tanh", graph.op("Add", for_new, inner))
    return [graph.op("Add", new, graph.op("Mul", z, graph.op("Sub", hidden, new)))]


def _opened(graph: Graph, of_element: Value, of_hidden: Value, size: int) -> list[Value]:
    return graph.split(graph.op("Sigmoid", graph.op("Add", of_element, of_hidden)), [size, size])


def _rnn(graph: Graph, cell: RNN, element: Value, memories: Memories) -> Memories:
    order, bias = (0,), cell.bias.detach().cpu().float().numpy().astype(np.float32)
    of_element = product_of_one(graph, element, _gates(graph, cell.input_weight, order), bias)
    of_hidden = product_of_one(graph, memories[0], _gates(graph, cell.recurrent_weight, order), None)
    return [graph.op("Tanh" if cell.activation == "tanh" else "Relu", graph.op("Add", of_element, of_hidden))]
