"""Layers over a window of the last elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from torch import nn

from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.layers import StateTensor, run_layer, state_of
from seqloom.formats.onnx.matrices import layer_norm, linear
from seqloom.formats.onnx.rows import Rows, last_rows
from seqloom.nn.layers.window import AR, NNLM, FeedForward, Window


@state_of.register
def _state(layer: Window) -> list[StateTensor]:
    before = layer.start[None].detach().cpu().float().numpy()
    return [StateTensor("window", before)] if layer.width > 1 else []


@run_layer.register
def _run_ar(layer: AR, graph: Graph, inputs: Value, state: Sequence[Value], rows: Rows) -> tuple[Value, list[Value]]:
    return _windowed(layer, graph, inputs, state, rows, lambda windows: linear(graph, windows, layer.linear))


@run_layer.register
def _run_nnlm(
    layer: NNLM, graph: Graph, inputs: Value, state: Sequence[Value], rows: Rows
) -> tuple[Value, list[Value]]:
    def hidden_layer(windows: Value) -> Value:
        hidden = graph.op("Tanh", linear(graph, windows, layer.hidden))
        return graph.concat(hidden, windows, axis=2) if layer.direct_connections else hidden

    return _windowed(layer, graph, inputs, state, rows, hidden_layer)


@run_layer.register
def _run_feed_forward(
    layer: FeedForward, graph: Graph, inputs: Value, state: Sequence[Value], rows: Rows
) -> tuple[Value, list[Value]]:
    def hidden_layers(windows: Value) -> Value:
        first, *later_layers = (cast(nn.Linear, module) for module in layer.hidden)
        hidden = graph.op("Gelu", linear(graph, windows, first))
        for norm, module in zip(layer.norms, later_layers, strict=True):
            assert isinstance(norm, nn.LayerNorm)
            normal = layer_norm(graph, hidden, norm.weight, norm.bias, norm.eps)
            hidden = graph.op("Add", hidden, graph.op("Gelu", linear(graph, normal, module)))
        return hidden

    return _windowed(layer, graph, inputs, state, rows, hidden_layers)


def _windowed(
    layer: Window, graph: Graph, inputs: Value, state: Sequence[Value], rows: Rows, of_windows: Callable[[Value], Value]
) -> tuple[Value, list[Value]]:
    elements, before = rows.without_padding(graph, inputs), layer.width - 1
    if not before:
        return of_windows(elements), []
    known = graph.concat(state[0], elements, axis=1)
    # Of width - 1 + time elements, each slice omits width - 1 at its ends.
    slices = [graph.slice(known, k, k - before if k < before else None, 1) for k in range(layer.width)]
    return of_windows(graph.concat(*slices, axis=2)), [last_rows(graph, known, rows.lengths, before)]
