"""The graphs of transcribers: frames of sound to the log-probabilities of CTC, and the steps of a decoder."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from seqloom.formats.onnx import builders  # noqa: F401
from seqloom.formats.onnx.embedding import embed, source_input
from seqloom.formats.onnx.encoder import at_least_one
from seqloom.formats.onnx.encoder_decoder import encoder_graph, step_graph
from seqloom.formats.onnx.exported_graph import ExportedGraph
from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.layers import StateTensor, run_layer, start, state_of
from seqloom.formats.onnx.matrices import linear
from seqloom.formats.onnx.rows import Rows
from seqloom.models.attentional_transcriber import AttentionalTranscriber
from seqloom.models.transcriber import ConvolvedLayer, Transcriber

_CONVOLUTIONS = "convolutions_"
"""Begins the names of their state, which may be of the same kind as the layer."""


def transcriber_graphs(model: Transcriber, int8: bool = False) -> list[ExportedGraph]:
    """`model`: frames and lengths to log p of the blank and of each token at each step; of a layer that reads forward,
    the state too, which is carried from part to part of a recording."""
    graph = Graph(int8)
    exported, layer = ExportedGraph("model", graph), model.encoder.layer
    source = source_input(graph, model.encoder.read)
    rows = Rows.of(graph, source, at_least_one(graph, graph.input("lengths", "int64", ["batch"])))
    elements = embed(graph, model.encoder.read, source, rows)
    before = exported.take_state(state_of(layer)) if model.causal else start(layer, graph, rows.batch)
    outputs, after = run_layer(layer, graph, elements, before, rows)
    _give_log_probs(graph, outputs, model.output)
    if model.causal:
        exported.give_state(after)
    return [exported]


def attentional_transcriber_graphs(model: AttentionalTranscriber, int8: bool = False) -> list[ExportedGraph]:
    """`encoder`: frames and lengths to the tensors that the steps need, and to the log-probabilities of CTC; `step` as
    of every encoder-decoder."""
    exported, encoded = encoder_graph(model, int8)
    _give_log_probs(exported.graph, encoded.outputs, model.ctc_output)
    return [exported, step_graph(model, int8)]


def _give_log_probs(graph: Graph, outputs: Value, module: nn.Linear) -> None:
    log_probs = graph.op("LogSoftmax", linear(graph, outputs, module), axis=2)
    graph.output(log_probs, "log_probs", "float32", ["batch", "time", module.out_features])


@state_of.register
def _state(layer: ConvolvedLayer) -> list[StateTensor]:
    before = [] if layer.convolutions is None else state_of(layer.convolutions)
    return [*(part._replace(name=_CONVOLUTIONS + part.name) for part in before), *state_of(layer.layer)]


@run_layer.register
def _run(
    layer: ConvolvedLayer, graph: Graph, inputs: Value, state: Sequence[Value], rows: Rows
) -> tuple[Value, list[Value]]:
    after: list[Value] = []
    if layer.convolutions is not None:
        count = len(state_of(layer.convolutions))
        inputs, after = run_layer(layer.convolutions, graph, inputs, state[:count], rows)
        state = state[count:]
    outputs, layer_after = run_layer(layer.layer, graph, inputs, state, rows)
    return outputs, [*after, *layer_after]
