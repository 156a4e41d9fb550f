"""The attention scores over the outputs of an encoder: dot, general and additive."""

from __future__ import annotations

from seqloom.errors import RequestError
from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.matrices import linear
from seqloom.nn.attention.alignment import AdditiveScore, AlignmentScore, DotScore, GeneralScore


def keys_of(score: AlignmentScore, graph: Graph, outputs: Value) -> Value:
    """(batch, source, key): the part of the score that depends on the source alone."""
    if isinstance(score, DotScore):
        return outputs
    if isinstance(score, GeneralScore):
        return linear(graph, outputs, score.project)
    if isinstance(score, AdditiveScore):
        return linear(graph, outputs, score.project_source)
    raise RequestError(f"an attention score of the class {type(score).__name__} cannot be exported")


def scores_of(score: AlignmentScore, graph: Graph, queries: Value, keys: Value) -> Value:
    """(batch, queries, source): the scores of the queries with the `keys`."""
    if isinstance(score, AdditiveScore):
        projected = graph.unsqueeze(linear(graph, queries, score.project_query), 2)
        hidden = graph.op("Tanh", graph.op("Add", projected, graph.unsqueeze(keys, 1)))
        return graph.op("MatMul", hidden, graph.weight(score.weight))
    return graph.op("MatMul", queries, graph.op("Transpose", keys, perm=[0, 2, 1]))
