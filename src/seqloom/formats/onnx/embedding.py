"""The first layer of a network: token embeddings, two-channel embeddings, or a linear map of frames."""

from __future__ import annotations

from torch import nn

from seqloom.errors import RequestError
from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.matrices import Table, layer_norm, linear
from seqloom.formats.onnx.rows import Rows
from seqloom.models.word_vectors.two_channel_embedding import TwoChannelEmbedding
from seqloom.nn.embedding import TokenEmbedding


def reads_frames(read: nn.Module) -> int:
    """The dimension of the frames that a module reads; 0 if it reads token ids."""
    linears = [module for module in read.modules() if isinstance(module, nn.Linear)]
    tables = [module for module in read.modules() if isinstance(module, nn.Embedding)]
    return linears[0].in_features if linears and not tables else 0


def source_input(graph: Graph, read: nn.Module) -> Value:
    """(batch, source) token ids, or (batch, source, size) frames."""
    size = reads_frames(read)
    if size:
        return graph.input("source", "float32", ["batch", "time", size])
    return graph.input("source", "int64", ["batch", "time"])


def embed(graph: Graph, read: nn.Module, source: Value, rows: Rows, table: Table | None = None) -> Value:
    """(batch, time, size). `table`: the embedding's table, if the graph already has it."""
    if isinstance(read, TokenEmbedding):
        return (table or Table(graph, read.table.weight)).take(source)
    if isinstance(read, nn.Embedding):
        return Table(graph, read.weight).take(source)
    if isinstance(read, TwoChannelEmbedding):
        learnt = Table(graph, read.learnt.table.weight).take(graph.op("Gather", graph.weight(read.rows), source))
        return graph.concat(learnt, Table(graph, read.known).take(source), axis=2)
    frames = rows.without_padding(graph, source) if reads_frames(read) else source
    if isinstance(read, nn.Linear):
        return linear(graph, frames, read)
    if isinstance(read, nn.Sequential) and isinstance(read[0], nn.Linear):
        vectors = linear(graph, frames, read[0])
        for normal in (module for module in read if isinstance(module, nn.LayerNorm)):
            vectors = layer_norm(graph, vectors, normal.weight, normal.bias, normal.eps)
        return vectors
    if isinstance(read, nn.Identity):
        return source
    raise RequestError(f"an input layer of the class {type(read).__name__} cannot be exported")
