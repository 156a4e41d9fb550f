"""Encoders in a graph: embedding, layer, summary and pooling."""

from __future__ import annotations

from typing import NamedTuple

from seqloom.formats.onnx import builders  # noqa: F401
from seqloom.formats.onnx.embedding import embed
from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.layers import run_layer, start
from seqloom.formats.onnx.matrices import Table, linear
from seqloom.formats.onnx.rows import Rows
from seqloom.models.classifier import IdentityLayer
from seqloom.models.encoder import Encoder
from seqloom.nn.layer import SequenceLayer
from seqloom.nn.layers.recurrent import Bidirectional, RecurrentStack
from seqloom.nn.pooling import AttentionPool


class Encoded(NamedTuple):
    """`elements`: (batch, time, dim), the embeddings; `outputs`: (batch, time, size); `summary`: (batch, summary)."""

    elements: Value
    outputs: Value
    summary: Value
    rows: Rows


def at_least_one(graph: Graph, lengths: Value) -> Value:
    """The lengths, but at least 1: a row without elements is read as one element of padding."""
    return graph.op("Max", lengths, graph.constant(1, "int64"))


def encode(graph: Graph, encoder: Encoder, source: Value, lengths: Value, table: Table | None = None) -> Encoded:
    rows = Rows.of(graph, source, at_least_one(graph, lengths))
    elements = embed(graph, encoder.read, source, rows, table)
    if isinstance(encoder.layer, IdentityLayer):
        return Encoded(elements, elements, mean_pool(graph, elements, rows), rows)
    first = start(encoder.layer, graph, rows.batch)
    outputs, after = run_layer(encoder.layer, graph, elements, first, rows)
    recurrent = encoder.is_recurrent
    summary = _last_hidden(graph, encoder.layer, after) if recurrent else mean_pool(graph, outputs, rows)
    return Encoded(elements, outputs, summary, rows)


def _last_hidden(graph: Graph, layer: SequenceLayer, after: list[Value]) -> Value:
    """The hidden state of the last layer, of both directions if there are two."""
    assert isinstance(layer, RecurrentStack)
    last = layer.stack[-1]
    ways = [last.forward_layer, last.backward_layer] if isinstance(last, Bidirectional) else [last]
    memories = [len(way.cell.state_sizes) for way in ways]  # type: ignore[union-attr, arg-type]
    states = after[-sum(memories) :]
    return graph.concat(*(states[sum(memories[:way])] for way in range(len(ways))), axis=1)


def mean_pool(graph: Graph, vectors: Value, rows: Rows) -> Value:
    """The mean of each row's real vectors; every row has at least one."""
    total = graph.op("ReduceSum", rows.without_padding(graph, vectors), graph.ints(1), keepdims=0)
    return graph.op("Div", total, graph.unsqueeze(graph.cast(rows.lengths, "float32"), 1))


def max_pool(graph: Graph, vectors: Value, rows: Rows) -> Value:
    """The elementwise maximum of each row's real vectors."""
    real = graph.op("Where", graph.unsqueeze(rows.real, 2), vectors, graph.constant(float("-inf")))
    return graph.op("ReduceMax", real, graph.ints(1), keepdims=0)


def attention_pool(graph: Graph, pool: AttentionPool, vectors: Value, rows: Rows) -> tuple[Value, Value]:
    """The weighted sum of each row's real vectors (Yang et al. 2016), and the weights (batch, time)."""
    hidden = graph.op("Tanh", linear(graph, vectors, pool.project))
    scores = graph.op("MatMul", hidden, graph.weight(pool.query))
    real = graph.op("Where", rows.real, scores, graph.constant(float("-inf")))
    weights = graph.op("Softmax", real, axis=1)
    summed = graph.op("MatMul", graph.unsqueeze(weights, 1), vectors)
    return graph.squeeze(summed, 1), weights
