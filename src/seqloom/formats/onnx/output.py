"""From hidden vectors to the log-probabilities of all tokens: full and adaptive softmax."""

from __future__ import annotations

from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.matrices import Table, linear, product
from seqloom.nn.output import AdaptiveSoftmax, OutputLayer


def log_probs(graph: Graph, output: OutputLayer, hidden: Value, last_tokens: Value, embedding: Table | None) -> Value:
    """(batch, time, vocab) in nats. `last_tokens`: the embedding of the last token before each target; `embedding`: its
    table, which a tied output shares."""
    softmax = output.softmax
    hidden = graph.concat(hidden, last_tokens, axis=2) if output.skip_connection else hidden
    vectors = linear(graph, hidden, output.project)
    flat = vectors if graph.single else graph.op("Reshape", vectors, graph.ints(-1, softmax.weight.shape[1]))
    table = embedding if embedding is not None and embedding.weight is softmax.weight else Table(graph, softmax.weight)
    logits = table.multiply(flat, graph.weight(softmax.bias))
    if isinstance(softmax, AdaptiveSoftmax):
        log_probs_of_rows = _adaptive(graph, softmax, flat, logits)
    else:
        log_probs_of_rows = graph.op("LogSoftmax", logits, axis=-1)
    if graph.single:
        return log_probs_of_rows
    shape = graph.concat(graph.op("Shape", hidden, start=0, end=2), graph.ints(-1), axis=0)
    return graph.op("Reshape", log_probs_of_rows, shape)


def _adaptive(graph: Graph, softmax: AdaptiveSoftmax, vectors: Value, logits: Value) -> Value:
    """The log-probabilities of all tokens: a cluster's probability times that of a token in it (Grave et al. 2017)."""
    clusters = product(graph, vectors, softmax.cluster_weight, softmax.cluster_bias)
    frequent, *rare = graph.split(logits, softmax.sizes, axis=-1)
    head = graph.op("LogSoftmax", graph.concat(frequent, clusters, axis=-1), axis=-1)
    in_frequent, *in_cluster = graph.split(head, [softmax.sizes[0], *[1] * len(rare)], axis=-1)
    tails = [
        graph.op("Add", graph.op("LogSoftmax", tail, axis=-1), cluster)
        for tail, cluster in zip(rare, in_cluster, strict=True)
    ]
    return graph.concat(in_frequent, *tails, axis=-1)
