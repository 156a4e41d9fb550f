"""The graphs of a language model: for whole sequences, for the next token of one text, and for sentence vectors."""

from __future__ import annotations

from seqloom.formats.onnx import builders  # noqa: F401
from seqloom.formats.onnx.embedding import embed
from seqloom.formats.onnx.exported_graph import ExportedGraph
from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.layers import run_layer, start, state_of
from seqloom.formats.onnx.matrices import Table
from seqloom.formats.onnx.output import log_probs
from seqloom.formats.onnx.rows import Rows
from seqloom.models.language_model import LanguageModel


def language_model_graphs(model: LanguageModel, int8: bool = False) -> list[ExportedGraph]:
    """`model`: token ids, lengths and state to log-probabilities and state; `step`: the same for one token of one text,
    in less time; `embed`: token ids and lengths to the encoded sequence."""
    return [_model(model, int8), _step(model, int8), _embed(model, int8)]


def _model(model: LanguageModel, int8: bool) -> ExportedGraph:
    graph = Graph(int8)
    exported = ExportedGraph("model", graph)
    ids = graph.input("token_ids", "int64", ["batch", "time"])
    rows = Rows.of(graph, ids, graph.input("lengths", "int64", ["batch"]))
    _give_log_probs(exported, model, ids, rows, "batch", "time")
    return exported


def _step(model: LanguageModel, int8: bool) -> ExportedGraph:
    graph = Graph(int8, single=True)
    exported = ExportedGraph("step", graph)
    ids = graph.input("token_ids", "int64", [1, 1])
    _give_log_probs(exported, model, ids, Rows.of(graph, ids, graph.ints(1)), 1, 1)
    return exported


def _give_log_probs(
    exported: ExportedGraph, model: LanguageModel, ids: Value, rows: Rows, batch: int | str, time: int | str
) -> None:
    """Declares the state, before and after, and the log-probabilities (batch, time, vocab) as output."""
    graph = exported.graph
    before = exported.take_state(state_of(model.layer), batch)
    table = Table(graph, model.embedding.table.weight)
    elements = embed(graph, model.embedding, ids, rows, table)
    hidden, after = run_layer(model.layer, graph, elements, before, rows)
    vocab = model.output.softmax.vocab_size
    graph.output(log_probs(graph, model.output, hidden, elements, table), "log_probs", "float32", [batch, time, vocab])
    exported.give_state(after, batch)


def _embed(model: LanguageModel, int8: bool) -> ExportedGraph:
    graph = Graph(int8)
    ids = graph.input("source", "int64", ["batch", "time"])
    rows = Rows.of(graph, ids, graph.input("lengths", "int64", ["batch"]))
    elements = embed(graph, model.embedding, ids, rows)
    outputs, _ = run_layer(model.layer, graph, elements, start(model.layer, graph, rows.batch), rows)
    give_reading(graph, elements, outputs, _last_real(graph, outputs, rows))
    return ExportedGraph("embed", graph)


def give_reading(graph: Graph, elements: Value, outputs: Value, summary: Value) -> None:
    """Declares the outputs of an encoded sequence: embeddings, outputs of the layer, and summary."""
    graph.output(elements, "elements", "float32", ["batch", "time", "dim"])
    graph.output(outputs, "outputs", "float32", ["batch", "time", "size"])
    graph.output(summary, "summary", "float32", ["batch", "summary_size"])


def _last_real(graph: Graph, outputs: Value, rows: Rows) -> Value:
    """Each row's last real output; the first output of a row without elements."""
    last = graph.op("Max", graph.op("Sub", rows.lengths, graph.constant(1, "int64")), graph.constant(0, "int64"))
    return graph.op("GatherND", outputs, graph.unsqueeze(last, 1), batch_dims=1)
