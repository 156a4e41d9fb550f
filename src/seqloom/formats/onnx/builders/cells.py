"""One step of each recurrent cell as nodes in the body of a `Scan`, with the equations of `nn/cells`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from seqloom.errors import RequestError
from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.matrices import layer_norm, product
from seqloom.nn.cells.gru import GRU
from seqloom.nn.cells.lstm import LSTM
from seqloom.nn.cells.mingru import MinGRU
from seqloom.nn.cells.rnn import RNN
from seqloom.nn.recurrence.cell import Cell

Memories = list[Value]


class CellStep(NamedTuple):
    """`project(graph, cell, sequence)`: the part that does not depend on the hidden state, bias included, for all
    elements at once. `step(graph, cell, projected, memories)`: the states after one element."""

    project: Callable[[Graph, Any, Value], Value]
    step: Callable[[Graph, Any, Value, Memories], Memories]


def cell_step(cell: Cell) -> CellStep:
    """The step of a cell. Raises RequestError if the cell has no builder."""
    for kind, step in _STEPS.items():
        if type(cell) is kind:
            return step
    raise RequestError(
        f"a cell of the class {type(cell).__name__} cannot be exported: it has no builder of ONNX graphs",
        expected=", ".join(kind.__name__ for kind in _STEPS),
    )


def _project(graph: Graph, cell: Any, sequence: Value) -> Value:
    return product(graph, sequence, cell.input_weight, cell.bias)


def _project_lstm(graph: Graph, cell: LSTM, sequence: Value) -> Value:
    if cell.input_gain is None:
        return _project(graph, cell, sequence)
    return layer_norm(graph, product(graph, sequence, cell.input_weight), cell.input_gain, cell.bias)


def _rnn(graph: Graph, cell: RNN, projected: Value, memories: Memories) -> Memories:
    before = graph.op("Add", projected, product(graph, memories[0], cell.recurrent_weight))
    return [graph.op("Tanh" if cell.activation == "tanh" else "Relu", before)]


def _gru(graph: Graph, cell: GRU, projected: Value, memories: Memories) -> Memories:
    size, (hidden,) = cell.output_size, memories
    for_gates, for_new = graph.split(projected, [2 * size, size])
    if cell.reset == "after":
        recurrent = graph.split(product(graph, hidden, cell.recurrent_weight), [2 * size, size])
        r, z = graph.split(graph.op("Sigmoid", graph.op("Add", for_gates, recurrent[0])), [size, size])
        inner = graph.op("Add", recurrent[1], graph.weight(cell.inner_bias))  # type: ignore[arg-type]
        n = graph.op("Tanh", graph.op("Add", for_new, graph.op("Mul", r, inner)))
    else:
        gates = graph.op("Add", for_gates, product(graph, hidden, cell.recurrent_weight[: 2 * size]))
        r, z = graph.split(graph.op("Sigmoid", gates), [size, size])
        recurrent_term = product(graph, graph.op("Mul", r, hidden), cell.recurrent_weight[2 * size :])
        n = graph.op("Tanh", graph.op("Add", for_new, recurrent_term))
    return [graph.op("Add", n, graph.op("Mul", z, graph.op("Sub", hidden, n)))]


def _mingru(graph: Graph, cell: MinGRU, projected: Value, memories: Memories) -> Memories:
    z, n = graph.split(projected, [cell.output_size, cell.output_size])
    z_times_change = graph.op("Mul", graph.op("Sigmoid", z), graph.op("Sub", memories[0], n))
    return [graph.op("Add", n, z_times_change)]


def _lstm(graph: Graph, cell: LSTM, projected: Value, memories: Memories) -> Memories:
    hidden, state = memories
    size = cell.hidden_size
    recurrent = product(graph, hidden, cell.recurrent_weight)
    if cell.recurrent_gain is not None:
        recurrent = layer_norm(graph, recurrent, cell.recurrent_gain)
    gates = graph.split(graph.op("Add", projected, recurrent), [size] * (3 if cell.coupled else 4))
    *opening, for_new, for_out = gates
    if cell.peepholes is not None:
        opening = [_peep(graph, gate, cell.peepholes[k], state) for k, gate in enumerate(opening)]
    i, *forget = (graph.op("Sigmoid", gate) for gate in opening)
    f = forget[0] if forget else graph.op("Sub", graph.constant(1.0), i)
    written = graph.op("Mul", i, graph.op("Tanh", for_new))
    state = graph.op("Add", graph.op("Mul", f, state), written)
    if cell.peepholes is not None:
        for_out = _peep(graph, for_out, cell.peepholes[-1], state)
    normalised = state
    if cell.cell_gain is not None:
        normalised = layer_norm(graph, state, cell.cell_gain, cell.cell_bias)
    hidden = graph.op("Mul", graph.op("Sigmoid", for_out), graph.op("Tanh", normalised))
    return [hidden if cell.projection is None else product(graph, hidden, cell.projection), state]


def _peep(graph: Graph, gate: Value, weights: Any, state: Value) -> Value:
    return graph.op("Add", gate, graph.op("Mul", graph.weight(weights), state))


_STEPS: dict[type[Cell], CellStep] = {
    GRU: CellStep(_project, _gru),
    LSTM: CellStep(_project_lstm, _lstm),
    MinGRU: CellStep(_project, _mingru),
    RNN: CellStep(_project, _rnn),
}
