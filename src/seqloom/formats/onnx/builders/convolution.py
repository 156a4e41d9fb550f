"""Convolutions along the sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.layers import StateTensor, run_layer, state_of
from seqloom.formats.onnx.matrices import layer_norm
from seqloom.formats.onnx.rows import Rows, last_rows
from seqloom.nn.layers.convolution import Convolution, ConvolutionalNetwork, TemporalConvolutionalNetwork


@state_of.register
def _cnn_state(layer: ConvolutionalNetwork) -> list[StateTensor]:
    return []


@state_of.register
def _tcn_state(layer: TemporalConvolutionalNetwork) -> list[StateTensor]:
    return [
        StateTensor(f"past_{depth}", np.zeros((1, convolution.reach, convolution.conv.in_channels), np.float32))
        for depth, convolution in enumerate(layer.iter_convolutions())
        if convolution.reach
    ]


@run_layer.register
def _run_cnn(
    layer: ConvolutionalNetwork,
    graph: Graph,
    inputs: Value,
    state: Sequence[Value],
    rows: Rows,
) -> tuple[Value, list[Value]]:
    hidden = inputs
    for convolution in layer.iter_convolutions():
        elements, before = rows.without_padding(graph, hidden), convolution.reach // 2
        hidden = _convolved(graph, convolution, elements, elements, (before, convolution.reach - before))
    return hidden, []


@run_layer.register
def _run_tcn(
    layer: TemporalConvolutionalNetwork, graph: Graph, inputs: Value, state: Sequence[Value], rows: Rows
) -> tuple[Value, list[Value]]:
    hidden, waiting, after = rows.without_padding(graph, inputs), list(state), []
    for convolution in layer.iter_convolutions():
        known = hidden
        if convolution.reach:
            known = graph.concat(waiting.pop(0), hidden, axis=1)
            after.append(last_rows(graph, known, rows.lengths, convolution.reach))
        hidden = _convolved(graph, convolution, known, hidden, (0, 0))
    return hidden, after


def _convolved(graph: Graph, module: Convolution, known: Value, elements: Value, zeros: tuple[int, int]) -> Value:
    """`zeros`: the number of zero elements that are added before and after `known`."""
    conv = module.conv
    assert conv.bias is not None
    by_channel = graph.op("Transpose", known, perm=[0, 2, 1])
    weights = graph.weight(conv.weight), graph.weight(conv.bias)
    outputs = graph.op("Conv", by_channel, *weights, dilations=list(conv.dilation), pads=list(zeros))
    normal = layer_norm(
        graph, graph.op("Transpose", outputs, perm=[0, 2, 1]), module.norm.weight, module.norm.bias, module.norm.eps
    )
    new = graph.op("Gelu", normal)
    return graph.op("Add", elements, new) if module.residual else new
