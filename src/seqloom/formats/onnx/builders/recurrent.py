"""Stacks of recurrent layers: ONNX's recurrent operators where they compute the same, otherwise a `Scan` of the cell's
step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqloom.formats.onnx.builders.cells import CellStep, Memories, cell_step
from seqloom.formats.onnx.builders.one_element import one_element_of
from seqloom.formats.onnx.builders.operators import operator_of
from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.layers import StateTensor, run_layer, state_of
from seqloom.formats.onnx.rows import Rows
from seqloom.nn.layers.recurrent import Bidirectional, RecurrentStack
from seqloom.nn.recurrence.recurrent_layer import RecurrentLayer


def _depths(stack: RecurrentStack) -> list[list[RecurrentLayer]]:
    """The layers of each depth: one, or one for each direction."""
    return [
        [depth.forward_layer, depth.backward_layer] if isinstance(depth, Bidirectional) else [depth]
        for depth in stack.iter_layers()
    ]


@state_of.register
def _state(layer: RecurrentStack) -> list[StateTensor]:
    tensors = []
    for number, depth in enumerate(_depths(layer)):
        for way, along in zip(("", "backward_"), depth, strict=False):
            for memory, tensor in enumerate(along.initial_states(1)):
                name = f"{way}{'cell' if memory else 'hidden'}_{number}"
                tensors.append(StateTensor(name, tensor.detach().cpu().float().numpy()))
    return tensors


@run_layer.register
def _run(
    layer: RecurrentStack, graph: Graph, inputs: Value, state: Sequence[Value], rows: Rows
) -> tuple[Value, list[Value]]:
    waiting, after = list(state), list[Value]()
    sequence, size = _turned(graph, inputs), layer.input_size
    for number, depth in enumerate(_depths(layer)):
        outputs = []
        for along in depth:
            memories = [waiting.pop(0) for _ in along.cell.state_sizes]
            direction_outputs, left = _along(graph, along, sequence, memories, rows)
            outputs.append(direction_outputs)
            after += left
        depth_outputs, width = graph.concat(*outputs, axis=2), sum(along.output_size for along in depth)
        adds = layer.residual and number and width == size
        sequence, size = (graph.op("Add", sequence, depth_outputs) if adds else depth_outputs), width
    return _turned(graph, sequence), after


def _turned(graph: Graph, sequence: Value) -> Value:
    """(time, batch, size) from (batch, time, size), or the other way round."""
    # ONNX Runtime would join a transposition with the product after it, which is slower then, also for one element.
    return sequence if graph.single else graph.op("Transpose", sequence, perm=[1, 0, 2])


def _along(
    graph: Graph, layer: RecurrentLayer, sequence: Value, memories: Memories, rows: Rows
) -> tuple[Value, Memories]:
    """The outputs (time, batch, size) of one layer, and its states after each row's last element (its first if it runs
    backward)."""
    cell: Any = layer.cell
    of_one = one_element_of(cell) if graph.single else None
    if of_one is not None:
        after = of_one(graph, cell, sequence, memories)
        return after[0], [graph.squeeze(memory, 0) for memory in after]
    operator = None if any(cell.zoneout) else operator_of(cell)
    if operator is not None:
        outputs, after = operator(graph, cell, sequence, memories, rows, layer.runs_backward)
        # A row without elements keeps its states, whatever the operator computes for it.
        some = graph.unsqueeze(graph.op("Greater", rows.lengths, graph.constant(0, "int64")), 1)
        return outputs, [graph.op("Where", some, new, old) for new, old in zip(after, memories, strict=True)]
    return _scanned(graph, layer, cell_step(cell), sequence, memories, rows)


def _scanned(
    graph: Graph, layer: RecurrentLayer, step: CellStep, sequence: Value, memories: Memories, rows: Rows
) -> tuple[Value, Memories]:
    cell: Any = layer.cell
    projected = step.project(graph, cell, sequence)
    real = graph.unsqueeze(graph.op("Transpose", rows.real, perm=[1, 0]), 2)

    def body(inside: Graph, before: list[Value], elements: list[Value]) -> tuple[list[Value], list[Value]]:
        element, is_real = elements
        new = step.step(inside, cell, element, before)
        mixed = [_zoned(inside, *pair) for pair in zip(cell.zoneout, before, new, strict=True)]
        after = [inside.op("Where", is_real, value, old) for value, old in zip(mixed, before, strict=True)]
        return after, [inside.op("Identity", mixed[0])]

    after, (outputs,) = graph.scan(
        body,
        [(memory, "float32") for memory in memories],
        [(projected, "float32"), (real, "bool")],
        backward=layer.runs_backward,
    )
    return outputs, after


def _zoned(graph: Graph, rate: float, before: Value, new: Value) -> Value:
    """rate * before + (1 - rate) * new: zoneout after training (Krueger et al. 2017, section 3)."""
    if not rate:
        return new
    change = graph.op("Mul", graph.op("Sub", before, new), graph.constant(rate))
    return graph.op("Add", new, change)
