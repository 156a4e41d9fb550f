"""The graphs of an encoder-decoder: the encoder, one step of the decoder, and sentence vectors."""

from __future__ import annotations

from seqloom.formats.onnx.decoders import decoder_state, first_state, read, source_of, step
from seqloom.formats.onnx.embedding import source_input
from seqloom.formats.onnx.encoder import Encoded, encode
from seqloom.formats.onnx.exported_graph import ExportedGraph
from seqloom.formats.onnx.graph import Graph
from seqloom.formats.onnx.language_model import give_reading
from seqloom.formats.onnx.matrices import Table
from seqloom.formats.onnx.output import log_probs
from seqloom.models.encoder_decoder import EncoderDecoder


def encoder_decoder_graphs(model: EncoderDecoder, int8: bool = False) -> list[ExportedGraph]:
    """`encoder`: the source and its lengths to the tensors that the steps need; `step`: the last token of the
    hypotheses of each source, the state and the encoder's outputs to log-probabilities, state and attention; `embed`:
    sentence vectors."""
    return [encoder_graph(model, int8)[0], step_graph(model, int8), _embed(model, int8)]


def encoder_graph(model: EncoderDecoder, int8: bool) -> tuple[ExportedGraph, Encoded]:
    """The graph, and the values in it of the encoded source."""
    graph = Graph(int8)
    source = source_input(graph, model.encoder.read)
    encoded = encode(graph, model.encoder, source, graph.input("lengths", "int64", ["batch"]))
    tensors = source_of(model.decoder, model.encoder.summary_size)
    for tensor, value in zip(tensors, read(model.decoder, graph, encoded), strict=True):
        dims = ["time" if dim == "source" else dim for dim in tensor.dims]
        graph.output(value, tensor.name, tensor.dtype, dims)
    first = first_state(model.decoder, graph, encoded)
    for part, value in zip(decoder_state(model.decoder) if first else [], first, strict=True):
        graph.output(value, part.name, part.dtype, part.dims)
    return ExportedGraph("encoder", graph), encoded


def step_graph(model: EncoderDecoder, int8: bool) -> ExportedGraph:
    graph, decoder = Graph(int8), model.decoder
    started_by = "encoder" if getattr(decoder, "bridged", False) else ""
    exported = ExportedGraph("step", graph, started_by=started_by)
    ids = graph.input("token_ids", "int64", ["batch", "rows"])
    state = exported.take_state(decoder_state(decoder), "hypotheses")
    tensors = source_of(decoder, model.encoder.summary_size)
    source = [graph.input(tensor.name, tensor.dtype, tensor.dims) for tensor in tensors]
    table = Table(graph, model.embedding.table.weight)
    elements = table.take(ids)
    stepped = step(decoder, graph, elements, state, source)
    vocab = model.output.softmax.vocab_size
    distributions = log_probs(graph, model.output, stepped.vectors, elements, table)
    graph.output(distributions, "log_probs", "float32", ["batch", "rows", vocab])
    exported.give_state(stepped.after, "hypotheses")
    if stepped.attention is not None:
        graph.output(stepped.attention, "attention", "float32", ["batch", "rows", "source"])
    return exported


def _embed(model: EncoderDecoder, int8: bool) -> ExportedGraph:
    graph = Graph(int8)
    source = source_input(graph, model.encoder.read)
    encoded = encode(graph, model.encoder, source, graph.input("lengths", "int64", ["batch"]))
    give_reading(graph, encoded.elements, encoded.outputs, encoded.summary)
    return ExportedGraph("embed", graph)
