"""The graph of a network that predicts bits, one output for each input."""

from __future__ import annotations

from seqloom.formats.onnx import builders  # noqa: F401
from seqloom.formats.onnx.exported_graph import ExportedGraph
from seqloom.formats.onnx.graph import Graph
from seqloom.formats.onnx.layers import run_layer, start, state_of
from seqloom.formats.onnx.matrices import linear
from seqloom.formats.onnx.rows import Rows
from seqloom.models.bit_predictor import BitPredictor


def bit_predictor_graphs(model: BitPredictor, int8: bool = False) -> list[ExportedGraph]:
    """`model`: frames, lengths and state to logits of bits and state (no state if the layer needs the whole
    sequence)."""
    graph = Graph(int8)
    exported = ExportedGraph("model", graph)
    inputs = graph.input("inputs", "float32", ["batch", "time", model.layer.input_size])
    rows = Rows.of(graph, inputs, graph.input("lengths", "int64", ["batch"]))
    causal = model.layer.causal
    before = exported.take_state(state_of(model.layer)) if causal else start(model.layer, graph, rows.batch)
    outputs, after = run_layer(model.layer, graph, inputs, before, rows)
    bits = model.output.out_features
    graph.output(linear(graph, outputs, model.output), "logits", "float32", ["batch", "time", bits])
    exported.give_state(after if causal else [])
    return [exported]
