"""Decoders in a graph: what they need of a source, their first state, and one step."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import NamedTuple

import numpy as np

from seqloom.errors import RequestError
from seqloom.formats.onnx.attention_scores import keys_of, scores_of
from seqloom.formats.onnx.builders.transformer import Keys, attend, run_transformer
from seqloom.formats.onnx.encoder import Encoded
from seqloom.formats.onnx.graph import Dims, Graph, Value
from seqloom.formats.onnx.layers import StateTensor, run_layer, state_of
from seqloom.formats.onnx.matrices import layer_norm, linear
from seqloom.formats.onnx.rows import Rows, repeated
from seqloom.models.attentional_decoder import AttentionalDecoder, InputFeedingDecoder
from seqloom.models.decoder import Decoder
from seqloom.models.recurrent_decoder import ContextDecoder, RecurrentDecoder
from seqloom.models.transformer_decoder import SourceAttention, TransformerDecoder


class SourceTensor(NamedTuple):
    """A tensor that a decoder needs of a source, batch first."""

    name: str
    dtype: str
    dims: Dims


class Stepped(NamedTuple):
    """`vectors`: (batch, rows, output); `attention`: (batch, rows, source), if the decoder has attention."""

    vectors: Value
    after: list[Value]
    attention: Value | None


@singledispatch
def source_of(decoder: Decoder, summary_size: int) -> list[SourceTensor]:
    """The tensors that `read` returns and `step` takes."""
    raise RequestError(f"a decoder of the class {type(decoder).__name__} cannot be exported")


@singledispatch
def read(decoder: Decoder, graph: Graph, encoded: Encoded) -> list[Value]:
    """What the steps need of a source, as in `source_of`."""
    raise RequestError(f"a decoder of the class {type(decoder).__name__} cannot be exported")


@singledispatch
def step(decoder: Decoder, graph: Graph, inputs: Value, state: Sequence[Value], source: Sequence[Value]) -> Stepped:
    """One step of the hypotheses of each source: `inputs` (batch, rows, input), `state` (batch * rows, ...)."""
    raise RequestError(f"a decoder of the class {type(decoder).__name__} cannot be exported")


def decoder_state(decoder: Decoder) -> list[StateTensor]:
    """The tensors that are carried from one step to the next."""
    stack = decoder.stack
    assert isinstance(decoder, RecurrentDecoder | TransformerDecoder)
    tensors = state_of(stack)  # type: ignore[arg-type]
    if isinstance(decoder, InputFeedingDecoder):
        tensors = [*tensors, StateTensor("vector", np.zeros((1, decoder.output_size), np.float32))]
    return tensors


def first_state(decoder: Decoder, graph: Graph, encoded: Encoded) -> list[Value]:
    """The state of one hypothesis for each source before the first step; empty if it does not depend on the source."""
    if not isinstance(decoder, RecurrentDecoder) or not decoder.bridged:
        return []
    initial = [graph.op("Tanh", linear(graph, encoded.summary, bridge)) for bridge in decoder.bridge]  # type: ignore[arg-type]
    if isinstance(decoder, InputFeedingDecoder):
        nothing = graph.weight(np.zeros((1, decoder.output_size), np.float32))
        initial.append(repeated(graph, nothing, encoded.rows.batch, 1))
    return initial


def _one_step(
    decoder: RecurrentDecoder, graph: Graph, inputs: Value, state: Sequence[Value]
) -> tuple[Value, list[Value]]:
    """One step of the recurrent layer for every hypothesis: outputs (batch, rows, size)."""
    flat = graph.op("Reshape", inputs, graph.ints(-1, 1, decoder.stack.input_size))
    outputs, after = run_layer(decoder.stack, graph, flat, state, _single(graph, flat))
    shape = graph.concat(graph.op("Shape", inputs, start=0, end=2), graph.ints(-1), axis=0)
    return graph.op("Reshape", outputs, shape), after


def _single(graph: Graph, elements: Value) -> Rows:
    """Rows of one element each."""
    return Rows.of(graph, elements, repeated(graph, graph.ints(1), graph.dim(elements, 0), 0))


@source_of.register
def _context_source(decoder: ContextDecoder, summary_size: int) -> list[SourceTensor]:
    return [SourceTensor("source_summary", "float32", ["batch", summary_size])]


@read.register
def _read_context(decoder: ContextDecoder, graph: Graph, encoded: Encoded) -> list[Value]:
    return [encoded.summary]


@step.register
def _step_context(
    decoder: ContextDecoder, graph: Graph, inputs: Value, state: Sequence[Value], source: Sequence[Value]
) -> Stepped:
    shape = graph.concat(graph.op("Shape", inputs, start=0, end=2), graph.dim(source[0], 1), axis=0)
    beside = graph.op("Expand", graph.unsqueeze(source[0], 1), shape)
    vectors, after = _one_step(decoder, graph, graph.concat(inputs, beside, axis=2), state)
    return Stepped(vectors, after, None)


@source_of.register
def _attended_source(decoder: AttentionalDecoder, summary_size: int) -> list[SourceTensor]:
    keys = SourceTensor("source_keys", "float32", ["batch", "source", decoder.stack.output_size])
    values = SourceTensor("source_values", "float32", ["batch", "source", decoder.attend.source_size])
    return [keys, values, SourceTensor("source_real", "bool", ["batch", "source"])]


@read.register
def _read_attended(decoder: AttentionalDecoder, graph: Graph, encoded: Encoded) -> list[Value]:
    values = encoded.outputs
    if decoder.attend.elements_size:
        values = graph.concat(values, encoded.elements, axis=2)
    return [keys_of(decoder.attend.score, graph, values), values, encoded.rows.real]


@step.register
def _step_attended(
    decoder: AttentionalDecoder, graph: Graph, inputs: Value, state: Sequence[Value], source: Sequence[Value]
) -> Stepped:
    keys, values, real = source
    feeds = isinstance(decoder, InputFeedingDecoder)
    memories = list(state)
    if feeds:
        shape = graph.concat(graph.op("Shape", inputs, start=0, end=2), graph.ints(-1), axis=0)
        inputs = graph.concat(inputs, graph.op("Reshape", memories.pop(), shape), axis=2)
    hidden, after = _one_step(decoder, graph, inputs, memories)
    scores = scores_of(decoder.attend.score, graph, hidden, keys)
    bias = graph.op("Where", graph.unsqueeze(real, 1), graph.constant(0.0), graph.constant(-np.inf))
    weights = graph.op("Softmax", graph.op("Add", scores, bias), axis=2)
    context = graph.op("MatMul", weights, values)
    vectors = graph.op("Tanh", linear(graph, graph.concat(context, hidden, axis=2), decoder.attend.combine))
    if size := decoder.attend.elements_size:
        vectors = graph.concat(vectors, graph.slice(context, -size, None, axis=2), axis=2)
    if feeds:
        after.append(graph.op("Reshape", vectors, graph.ints(-1, decoder.output_size)))
    return Stepped(vectors, after, weights)


def _attentions(decoder: TransformerDecoder) -> list[SourceAttention]:
    return [attention for attention in decoder.to_source if isinstance(attention, SourceAttention)]


@source_of.register
def _transformer_source(decoder: TransformerDecoder, summary_size: int) -> list[SourceTensor]:
    heads, size = decoder.stack.num_heads, decoder.stack.head_dim
    tensors = [
        SourceTensor(f"source_{kind}_{block}", "float32", ["batch", "source", heads, size])
        for block in range(len(decoder.to_source))
        for kind in ("keys", "values")
    ]
    return [*tensors, SourceTensor("source_real", "bool", ["batch", "source"])]


@read.register
def _read_transformer(decoder: TransformerDecoder, graph: Graph, encoded: Encoded) -> list[Value]:
    shape = graph.ints(0, 0, decoder.stack.num_heads, decoder.stack.head_dim)
    key_values = [
        graph.op("Reshape", linear(graph, encoded.outputs, project), shape)
        for attention in _attentions(decoder)
        for project in (attention.attention.project_key, attention.attention.project_value)
    ]
    return [*key_values, encoded.rows.real]


@step.register
def _step_transformer(
    decoder: TransformerDecoder, graph: Graph, inputs: Value, state: Sequence[Value], source: Sequence[Value]
) -> Stepped:
    stack, attentions, looked = decoder.stack, _attentions(decoder), list[Value]()
    real = graph.unsqueeze(source[-1], 1, 2)
    bias = graph.op("Where", real, graph.constant(0.0), graph.constant(-np.inf))

    def between(block: int, hidden: Value) -> Value:
        attention, cross = attentions[block], attentions[block].attention
        normal = layer_norm(graph, hidden, attention.norm.weight, attention.norm.bias, attention.norm.eps)
        by_source = graph.concat(graph.op("Shape", inputs, start=0, end=2), graph.ints(-1), axis=0)
        queries = graph.op("Reshape", linear(graph, normal, cross.project_query), by_source)
        queries = graph.op("Reshape", queries, graph.ints(0, 0, stack.num_heads, stack.head_dim))
        attended, weights = attend(graph, queries, Keys(*source[2 * block : 2 * block + 2]), stack.head_dim, bias)
        looked.append(weights)
        added = graph.op("Reshape", linear(graph, attended, cross.project_out), graph.op("Shape", hidden))
        return graph.op("Add", hidden, added)

    flat = graph.op("Reshape", inputs, graph.ints(-1, 1, stack.input_size))
    outputs, after = run_transformer(stack, graph, flat, state, _single(graph, flat), between)
    shape = graph.concat(graph.op("Shape", inputs, start=0, end=2), graph.ints(-1), axis=0)
    mean = graph.op("ReduceMean", looked[-1], graph.ints(1), keepdims=0)
    return Stepped(graph.op("Reshape", outputs, shape), after, mean)
