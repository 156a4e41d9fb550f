"""Transformers; their state is the keys and values of the previous elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from torch import nn

from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.layers import StateTensor, run_layer, state_of
from seqloom.formats.onnx.matrices import layer_norm, linear
from seqloom.formats.onnx.rows import Rows, arange
from seqloom.nn.layers.transformer import BidirectionalTransformer, Block, Transformer

Between = Callable[[int, Value], Value]
"""`between(block, hidden)`: the part between a block's attention and its feed-forward network."""


class Keys(NamedTuple):
    """Keys and values, both (batch, seen, heads, head_dim)."""

    keys: Value
    values: Value


@state_of.register
def _state(layer: Transformer) -> list[StateTensor]:
    """The state; with a window of one element it is empty, since no keys are carried and the position has no effect."""
    if layer.window == 1:
        return []
    nothing = np.zeros((1, 0, layer.num_heads, layer.head_dim), np.float32)
    blocks = range(len(layer.blocks))
    key_values = [StateTensor(f"{kind}_{block}", nothing, grows=1) for block in blocks for kind in ("keys", "values")]
    real, position = np.zeros((1, 0), np.bool_), np.zeros((1,), np.int64)
    return [*key_values, StateTensor("real", real, grows=1), StateTensor("position", position)]


@state_of.register
def _no_state(layer: BidirectionalTransformer) -> list[StateTensor]:
    return []


@run_layer.register
def _run_causal(
    layer: Transformer, graph: Graph, inputs: Value, state: Sequence[Value], rows: Rows
) -> tuple[Value, list[Value]]:
    if graph.single and state:
        return _run_one(layer, graph, inputs, state)
    return run_transformer(layer, graph, inputs, state, rows)


def _run_one(layer: Transformer, graph: Graph, inputs: Value, state: Sequence[Value]) -> tuple[Value, list[Value]]:
    """One element of one row, which attends to all that the state has."""
    *past, real, position = state
    rotation = _rotation(graph, graph.unsqueeze(position, 1), layer.head_dim)
    hidden, after = linear(graph, inputs, layer.project), list[Value]()
    for number, block in enumerate(layer.iter_blocks()):
        hidden, present = _attend(graph, block, hidden, rotation, Keys(*past[2 * number : 2 * number + 2]), None)
        after += present
        hidden = _net(graph, block, hidden)
    after.append(graph.concat(real, graph.constant([[True]], "bool"), axis=1))
    if layer.window:
        after = [graph.slice(value, 1 - layer.window, None, 1) for value in after]
    outputs = layer_norm(graph, hidden, layer.norm.weight, layer.norm.bias, layer.norm.eps)
    return outputs, [*after, graph.op("Add", position, graph.ints(1))]


def run_transformer(
    layer: Transformer,
    graph: Graph,
    inputs: Value,
    state: Sequence[Value],
    rows: Rows,
    between: Between | None = None,
) -> tuple[Value, list[Value]]:
    past = [Keys(*state[2 * block : 2 * block + 2]) if state else None for block in range(len(layer.blocks))]
    steps = graph.unsqueeze(arange(graph, rows.time), 0)
    before = state[-2] if state else None
    positions = graph.op("Add", graph.unsqueeze(state[-1], 1), steps) if state else steps
    real = rows.real if before is None else graph.concat(before, rows.real, axis=1)
    bias = _mask_bias(graph, _visible(graph, layer.window, before, real, steps))
    rotation = _rotation(graph, positions, layer.head_dim)
    hidden = linear(graph, rows.without_padding(graph, inputs), layer.project)
    presents = []
    for number, block in enumerate(layer.iter_blocks()):
        hidden, present = _attend(graph, block, hidden, rotation, past[number], bias)
        presents.append(present)
        hidden = _net(graph, block, hidden if between is None else between(number, hidden))
    outputs = layer_norm(graph, hidden, layer.norm.weight, layer.norm.bias, layer.norm.eps)
    if not state:
        return outputs, []
    after = _remember(graph, layer.window, presents, real, rows)
    return outputs, [*after, graph.op("Add", state[-1], rows.lengths)]


@run_layer.register
def _run_both_ways(
    layer: BidirectionalTransformer,
    graph: Graph,
    inputs: Value,
    state: Sequence[Value],
    rows: Rows,
) -> tuple[Value, list[Value]]:
    steps = graph.unsqueeze(arange(graph, rows.time), 0)
    # A row without elements attends to its first one: its outputs mean nothing, but must be numbers.
    lengths = graph.op("Max", rows.lengths, graph.constant(1, "int64"))
    is_visible = graph.op("Less", steps, graph.unsqueeze(lengths, 1))
    bias = _mask_bias(graph, graph.unsqueeze(is_visible, 1, 2))
    rotation = _rotation(graph, steps, layer.head_dim)
    hidden = linear(graph, rows.without_padding(graph, inputs), layer.project)
    for block in layer.iter_blocks():
        hidden, _ = _attend(graph, block, hidden, rotation, None, bias)
        hidden = _net(graph, block, hidden)
    return layer_norm(graph, hidden, layer.norm.weight, layer.norm.bias, layer.norm.eps), []


def _visible(graph: Graph, window: int, before: Value | None, real: Value, steps: Value) -> Value:
    """(batch, 1, time, seen): True where a query may attend: to real elements, none later than itself, within the
    window; and always to itself, so that outputs in padding are numbers too."""
    ones = graph.cast(real, "int64")
    order = graph.op("CumSum", ones, graph.constant(1, "int64"))  # the rank of a real element among those of its row
    place = graph.op("Add", steps, graph.constant(1, "int64"))
    width = graph.constant([0], "int64")
    if before is not None:
        counted = graph.op("ReduceSum", graph.cast(before, "int64"), graph.ints(1), keepdims=1)
        place, width = graph.op("Add", counted, place), graph.dim(before, 1)
    distance = graph.op("Sub", graph.unsqueeze(place, 2), graph.unsqueeze(order, 1))
    near = graph.op("GreaterOrEqual", distance, graph.constant(0, "int64"))
    visible = graph.op("And", near, graph.unsqueeze(real, 1))
    if window:
        visible = graph.op("And", visible, graph.op("Less", distance, graph.constant(window, "int64")))
    all_places = graph.unsqueeze(arange(graph, graph.dim(real, 1)), 0)
    is_itself = graph.op("Equal", graph.unsqueeze(graph.op("Add", steps, width), 2), graph.unsqueeze(all_places, 1))
    return graph.unsqueeze(graph.op("Or", visible, is_itself), 1)


def _mask_bias(graph: Graph, visible: Value) -> Value:
    return graph.op("Where", visible, graph.constant(0.0), graph.constant(-np.inf))


def _rotation(graph: Graph, positions: Value, head_dim: int) -> tuple[Value, Value]:
    """The cosines and sines of `nn.attention.multi_head.rotations`, (batch, time, 1, head_dim); angles in float64."""
    exponent = np.arange(0, head_dim, 2, dtype=np.float64) / head_dim
    turns = graph.constant(10_000.0**-exponent, "float64")
    angles = graph.op("Mul", graph.unsqueeze(graph.cast(positions, "float64"), 2, 3), turns)
    cosine, sine = (graph.cast(graph.op(kind, angles), "float32") for kind in ("Cos", "Sin"))
    return graph.concat(cosine, cosine, axis=3), graph.concat(graph.op("Neg", sine), sine, axis=3)


def _rotated(graph: Graph, vectors: Value, rotation: tuple[Value, Value], head_dim: int) -> Value:
    """Rotates the pairs (first half, second half) of each vector by its position's angles (Su et al. 2021, eq. 34)."""
    first, second = graph.split(vectors, [head_dim // 2, head_dim // 2])
    turned = graph.op("Mul", graph.concat(second, first, axis=3), rotation[1])
    return graph.op("Add", graph.op("Mul", vectors, rotation[0]), turned)


def _attend(
    graph: Graph, block: Block, inputs: Value, rotation: tuple[Value, Value], past: Keys | None, bias: Value | None
) -> tuple[Value, Keys]:
    """x + attention(norm(x)), and all keys and values, those of `past` first."""
    attention = block.attention
    normal = layer_norm(graph, inputs, block.attention_norm.weight, block.attention_norm.bias, block.attention_norm.eps)
    size = attention.project_in.weight.shape[1]
    head_dim = size // attention.num_heads
    three = graph.split(linear(graph, normal, attention.project_in), [size] * 3)
    query, key, value = (graph.op("Reshape", part, graph.ints(0, 0, attention.num_heads, head_dim)) for part in three)
    query, key = (_rotated(graph, vectors, rotation, head_dim) for vectors in (query, key))
    if past is not None:
        key, value = graph.concat(past.keys, key, axis=1), graph.concat(past.values, value, axis=1)
    attended = attend(graph, query, Keys(key, value), head_dim, bias)[0]
    return graph.op("Add", inputs, linear(graph, attended, attention.project_out)), Keys(key, value)


def attend(graph: Graph, query: Value, source: Keys, head_dim: int, bias: Value | None) -> tuple[Value, Value]:
    """softmax(q k^T / sqrt(head_dim) + bias) v, with the heads concatenated (batch, queries, model), and the softmax
    (batch, heads, queries, seen)."""
    scaled = graph.op("Mul", query, graph.constant(head_dim**-0.5))
    by_head = graph.op("Transpose", scaled, perm=[0, 2, 1, 3])
    keys = graph.op("Transpose", source.keys, perm=[0, 2, 3, 1])
    values = graph.op("Transpose", source.values, perm=[0, 2, 1, 3])
    scores = graph.op("MatMul", by_head, keys)
    weights = graph.op("Softmax", scores if bias is None else graph.op("Add", scores, bias), axis=3)
    attended = graph.op("Transpose", graph.op("MatMul", weights, values), perm=[0, 2, 1, 3])
    return graph.op("Reshape", attended, graph.ints(0, 0, -1)), weights


def _net(graph: Graph, block: Block, hidden: Value) -> Value:
    """x + net(norm(x))."""
    first, _, second = block.net
    assert isinstance(first, nn.Linear)
    assert isinstance(second, nn.Linear)
    normal = layer_norm(graph, hidden, block.net_norm.weight, block.net_norm.bias, block.net_norm.eps)
    return graph.op("Add", hidden, linear(graph, graph.op("Gelu", linear(graph, normal, first)), second))


def _remember(graph: Graph, window: int, presents: Sequence[Keys], real: Value, rows: Rows) -> list[Value]:
    """The keys and values of each block, and which of them are real. In each row the real elements are moved to the
    end; columns that no row needs and elements outside the window are removed."""
    width = graph.dim(real, 1)
    # The real elements end before the end by the padding of the row: rotate the row by this number.
    padding = graph.unsqueeze(graph.op("Sub", rows.time, rows.lengths), 1)
    places = graph.unsqueeze(arange(graph, width), 0)
    rotated = graph.op("Mod", graph.op("Sub", graph.op("Add", places, width), padding), width)
    longest = graph.op("ReduceMax", graph.op("ReduceSum", graph.cast(real, "int64"), graph.ints(1), keepdims=0))
    longest = graph.op("Reshape", longest, graph.ints(1))
    if window:
        longest = graph.op("Min", longest, graph.ints(window - 1))
    recent = graph.op("Slice", rotated, graph.op("Sub", width, longest), width, graph.ints(1))
    index = graph.unsqueeze(recent, 2)
    moved = [graph.op("GatherND", part, index, batch_dims=1) for present in presents for part in present]
    return [*moved, graph.op("GatherND", real, index, batch_dims=1)]
