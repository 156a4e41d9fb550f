"""The graphs of a classifier: class probabilities of a sequence, and sentence vectors."""

from __future__ import annotations

from torch import nn

from seqloom.formats.onnx.embedding import source_input
from seqloom.formats.onnx.encoder import Encoded, attention_pool, encode, max_pool, mean_pool
from seqloom.formats.onnx.exported_graph import ExportedGraph
from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.language_model import give_reading
from seqloom.formats.onnx.matrices import linear
from seqloom.models.classifier import Classifier


def classifier_graphs(model: Classifier, int8: bool = False) -> list[ExportedGraph]:
    """`model`: the source and its lengths to log-probabilities of the classes or labels, or to a number (and attention
    weights, if the model pools by attention); `embed`: the same inputs to the encoded sequence and the vector that is
    classified."""
    graph = Graph(int8)
    encoded = _encoded(graph, model)
    pooled, weights = _pooled(graph, model, encoded)
    logits = linear(graph, _net(graph, model.net, pooled), model.output)
    graph.output(_answers(graph, model, logits), OUTPUTS[model.target.kind], "float32", ["batch", model.target.size])
    if weights is not None:
        graph.output(weights, "attention", "float32", ["batch", "time"])
    return [ExportedGraph("model", graph), _embed(model, int8)]


OUTPUTS = {"class": "log_probs", "labels": "log_probs", "number": "numbers"}
"""The output of the graph by the kind of the targets."""


def _answers(graph: Graph, model: Classifier, logits: Value) -> Value:
    """See `TargetOutput.answers`."""
    if model.target.kind == "number":
        scaled = graph.op("Mul", logits, graph.weight(model.target_scale))
        return graph.op("Add", scaled, graph.weight(model.target_mean))
    scaled = graph.op("Div", logits, graph.weight(model.temperature))
    if model.target.kind == "labels":  # log sigmoid(x) = -softplus(-x)
        return graph.op("Neg", graph.op("Softplus", graph.op("Neg", scaled)))
    return graph.op("LogSoftmax", scaled, axis=1)


def _embed(model: Classifier, int8: bool) -> ExportedGraph:
    graph = Graph(int8)
    encoded = _encoded(graph, model)
    give_reading(graph, encoded.elements, encoded.outputs, encoded.summary)
    graph.output(_pooled(graph, model, encoded)[0], "decisive", "float32", ["batch", "decisive_size"])
    return ExportedGraph("embed", graph)


def _encoded(graph: Graph, model: Classifier) -> Encoded:
    source = source_input(graph, model.encoder.read)
    return encode(graph, model.encoder, source, graph.input("lengths", "int64", ["batch"]))


def _pooled(graph: Graph, model: Classifier, encoded: Encoded) -> tuple[Value, Value | None]:
    if model.attention is not None:
        return attention_pool(graph, model.attention, encoded.outputs, encoded.rows)
    if model.pool == "last":
        return encoded.summary, None
    pool = {"mean": mean_pool, "max": max_pool}[model.pool]
    return pool(graph, encoded.outputs, encoded.rows), None


def _net(graph: Graph, net: nn.Module, vectors: Value) -> Value:
    """Hidden layers with GELU, or the identity."""
    for module in net.children():
        if isinstance(module, nn.Linear):
            vectors = graph.op("Gelu", linear(graph, vectors, module))
    return vectors
