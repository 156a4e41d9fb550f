"""The Neural Turing Machine, step by step in a `Scan` (Graves et al. 2014, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.layers import StateTensor, run_layer, state_of
from seqloom.formats.onnx.matrices import linear, product
from seqloom.formats.onnx.rows import Rows
from seqloom.nn.layers.ntm import NTM, NTMState
from seqloom.nn.ntm.addressing import NORM_FLOOR, WEIGHT_FLOOR


@state_of.register
def _state(layer: NTM) -> list[StateTensor]:
    before = zip(NTMState._fields, layer.initial_state(1), strict=True)
    return [StateTensor(name, tensor.detach().cpu().float().numpy()) for name, tensor in before if tensor.numel()]


@run_layer.register
def _run(layer: NTM, graph: Graph, inputs: Value, state: Sequence[Value], rows: Rows) -> tuple[Value, list[Value]]:
    by_step = graph.op("Transpose", rows.without_padding(graph, inputs), perm=[1, 0, 2])
    projected = product(graph, by_step, layer.input_weight, layer.bias)
    real = graph.unsqueeze(graph.op("Transpose", rows.real, perm=[1, 0]), 2)

    def body(inside: Graph, before: list[Value], elements: list[Value]) -> tuple[list[Value], list[Value]]:
        element, is_real = elements
        hidden, new = _step(inside, layer, element, before)
        ranks = [3, 3, 2, 2, 2]
        after = [
            inside.op("Where", inside.unsqueeze(is_real, 2) if rank == 3 else is_real, value, old)
            for value, old, rank in zip(new, before, ranks, strict=False)
        ]
        return after, [inside.concat(hidden, new[2], axis=1)]

    after, (outputs,) = graph.scan(
        body, [(part, "float32") for part in state], [(projected, "float32"), (real, "bool")]
    )
    return graph.op("Transpose", outputs, perm=[1, 0, 2]), after


def _step(graph: Graph, layer: NTM, projected: Value, before: Sequence[Value]) -> tuple[Value, list[Value]]:
    """The controller's hidden state, and the new state, after one step."""
    memory, weights, reads, *controller = before
    recurrent_input = graph.concat(reads, controller[0], axis=1) if layer.is_lstm else reads
    gates = graph.op("Add", projected, product(graph, recurrent_input, layer.recurrent_weight))
    after: list[Value] = []
    if layer.is_lstm:
        into, forget, new, out = graph.split(gates, [layer.hidden_size] * 4)
        kept_cell = graph.op("Mul", graph.op("Sigmoid", forget), controller[1])
        cell = graph.op("Add", kept_cell, graph.op("Mul", graph.op("Sigmoid", into), graph.op("Tanh", new)))
        hidden = graph.op("Mul", graph.op("Sigmoid", out), graph.op("Tanh", cell))
        after = [hidden, cell]
    else:
        hidden = graph.op("Tanh", gates)
    heads = layer.heads
    parameters = linear(graph, hidden, layer.head)
    where, what = graph.split(parameters, [heads.all * heads.address_size, heads.write * 2 * heads.width])
    weights = _addressed(graph, layer, where, memory, weights)
    of_readers, of_writers = graph.split(weights, [heads.read, heads.write], axis=1)
    memory = _written(graph, layer, what, memory, of_writers)
    by_location = graph.op("Transpose", memory, perm=[0, 2, 1])
    read = graph.op("Reshape", graph.op("MatMul", of_readers, by_location), graph.ints(0, -1))
    return hidden, [memory, weights, read, *after]


def _addressed(graph: Graph, layer: NTM, where: Value, memory: Value, before: Value) -> Value:
    """The weights of all heads (batch, heads, locations): equations 5 to 9."""
    heads = layer.heads
    by_head = graph.op("Reshape", where, graph.ints(0, heads.all, heads.address_size))
    sizes = [heads.width, 1, 1, heads.shifts, 1]
    key, strength, gate, shift, sharpening = graph.split(by_head, sizes)
    key = graph.op("Tanh", key)
    cosine = graph.op("Div", graph.op("MatMul", key, memory), _norm(graph, key, 2))
    cosine = graph.op("Div", cosine, _norm(graph, memory, 1))
    content = graph.op("Softmax", graph.op("Mul", graph.op("Softplus", strength), cosine), axis=2)
    gate = graph.op("Sigmoid", gate)
    gated = graph.op("Add", graph.op("Mul", gate, content), _others(graph, gate, before))
    shifted = _shifted(graph, layer, gated, graph.op("Softmax", shift, axis=2))
    power = graph.op("Add", graph.op("Softplus", sharpening), graph.constant(1.0))
    logs = graph.op("Log", graph.op("Max", shifted, graph.constant(WEIGHT_FLOOR)))
    return graph.op("Softmax", graph.op("Mul", power, logs), axis=2)


def _others(graph: Graph, gate: Value, before: Value) -> Value:
    return graph.op("Mul", graph.op("Sub", graph.constant(1.0), gate), before)


def _norm(graph: Graph, vectors: Value, axis: int) -> Value:
    squares = graph.op("ReduceSumSquare", vectors, graph.ints(axis), keepdims=1)
    return graph.op("Sqrt", graph.op("Add", squares, graph.constant(NORM_FLOOR**2)))


def _shifted(graph: Graph, layer: NTM, weights: Value, shifts: Value) -> Value:
    """Circular convolution (equation 8)."""
    half, moved = layer.heads.shifts // 2, []
    for step in range(-half, half + 1):
        by = step % layer.locations  # the last `by` locations move to the front
        turned = weights
        if by:
            parts = graph.split(weights, [layer.locations - by, by], axis=2)
            turned = graph.concat(parts[1], parts[0], axis=2)
        moved.append(graph.unsqueeze(turned, 3))
    product_ = graph.op("MatMul", graph.concat(*moved, axis=3), graph.unsqueeze(shifts, 3))
    return graph.squeeze(product_, 3)


def _written(graph: Graph, layer: NTM, what: Value, memory: Value, weights: Value) -> Value:
    """The memory after the write heads erase, one after the other (equation 3), and add (equation 4)."""
    heads = layer.heads
    parts = graph.split(graph.op("Reshape", what, graph.ints(0, heads.write, 2 * heads.width)), [heads.width] * 2)
    erase, add = graph.op("Sigmoid", parts[0]), graph.op("Tanh", parts[1])
    erases = graph.split(erase, [1] * heads.write, axis=1)
    for head, head_weights in enumerate(graph.split(weights, [1] * heads.write, axis=1)):
        of_head = graph.op("Transpose", erases[head], perm=[0, 2, 1])
        left = graph.op("Sub", graph.constant(1.0), graph.op("Mul", of_head, head_weights))
        memory = graph.op("Mul", memory, left)
    return graph.op("Add", memory, graph.op("MatMul", graph.op("Transpose", add, perm=[0, 2, 1]), weights))
