"""The graphs of a tagger: tags of whole sequences, the tag of the next element, and vectors of sequences."""

from __future__ import annotations

from seqloom.formats.onnx.crf import ChainScan
from seqloom.formats.onnx.encoder import Encoded, encode
from seqloom.formats.onnx.exported_graph import ExportedGraph
from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.language_model import give_reading
from seqloom.formats.onnx.layers import run_layer, state_of
from seqloom.formats.onnx.matrices import Table, linear
from seqloom.formats.onnx.rows import Rows, repeated
from seqloom.models.tagger import FrameTagger, Tagger
from seqloom.nn.crf.crf import CRF, ILLEGAL, NEVER


def tagger_graphs(model: Tagger | FrameTagger, int8: bool = False) -> list[ExportedGraph]:
    """`model`: sequences to tags and their probabilities; `embed`: the same inputs to encoded sequences; `step`, for a
    causal model: one element, the previous tag and the state, to the element's tag and the new state.

    Sentences are the distinct words of all of them, and indices of these words; steps of numbers are themselves.
    """
    graphs = [_model(model, int8), _embed(model, int8)]
    return [*graphs, _step(model, int8)] if model.encoder.layer.causal else graphs


def _forms(graph: Graph, model: Tagger) -> Value:
    """(forms, size): a vector for each distinct word."""
    word_ids = graph.input("word_ids", "int64", ["forms"])
    characters = graph.input("characters", "int64", ["forms", "letters"])
    letters = encode(graph, model.forms.letters, characters, graph.input("character_lengths", "int64", ["forms"]))
    return graph.concat(Table(graph, model.forms.words.weight).take(word_ids), letters.summary, axis=1)


def _sequences(graph: Graph, model: Tagger | FrameTagger) -> Encoded:
    if isinstance(model, FrameTagger):
        source = graph.input("source", "float32", ["batch", "time", model.frames.in_features])
        vectors = linear(graph, source, model.frames)
    else:
        forms = _forms(graph, model)
        vectors = graph.op("Gather", forms, graph.input("words", "int64", ["batch", "time"]))
    return encode(graph, model.encoder, vectors, graph.input("lengths", "int64", ["batch"]))


def _elements(graph: Graph, model: Tagger | FrameTagger) -> tuple[Value, str]:
    """(rows, size): the vector of an element in each row, and the name of the rows' dimension."""
    if isinstance(model, FrameTagger):
        return linear(
            graph, graph.input("source", "float32", ["batch", model.frames.in_features]), model.frames
        ), "batch"
    return _forms(graph, model), "forms"


def _model(model: Tagger | FrameTagger, int8: bool) -> ExportedGraph:
    graph = Graph(int8)
    encoded = _sequences(graph, model)
    emissions = linear(graph, encoded.outputs, model.emit)
    if isinstance(model.output, CRF):
        scan = ChainScan(graph, emissions, encoded.rows)
        tags = scan.best_path(model.output.chain(NEVER))
        probabilities = scan.probabilities(model.output.chain(ILLEGAL))
    else:
        tags = graph.op("ArgMax", emissions, axis=2, keepdims=0)
        probabilities = graph.op("Softmax", emissions, axis=2)
    of_tags = graph.op("GatherElements", probabilities, graph.unsqueeze(tags, 2), axis=2)
    graph.output(tags, "tags", "int64", ["batch", "time"])
    graph.output(graph.squeeze(of_tags, 2), "probabilities", "float32", ["batch", "time"])
    return ExportedGraph("model", graph)


def _embed(model: Tagger | FrameTagger, int8: bool) -> ExportedGraph:
    graph = Graph(int8)
    encoded = _sequences(graph, model)
    give_reading(graph, encoded.elements, encoded.outputs, encoded.summary)
    return ExportedGraph("embed", graph)


def _step(model: Tagger | FrameTagger, int8: bool) -> ExportedGraph:
    """`tag_before` is the tag of the previous element, or the number of tags at the first one."""
    graph = Graph(int8)
    exported = ExportedGraph("step", graph)
    elements, of_rows = _elements(graph, model)
    vectors = graph.unsqueeze(elements, 1)
    before = exported.take_state(state_of(model.encoder.layer), of_rows)
    rows = Rows.of(graph, vectors, repeated(graph, graph.ints(1), graph.dim(vectors, 0), 0))
    outputs, after = run_layer(model.encoder.layer, graph, vectors, before, rows)
    scores = graph.squeeze(linear(graph, outputs, model.emit), 1)
    if isinstance(model.output, CRF):
        chain = model.output.chain(NEVER)
        moves = graph.concat(graph.weight(chain.transitions), graph.weight(chain.first[None]), axis=0)
        follows = graph.op("Gather", moves, graph.input("tag_before", "int64", [of_rows]), axis=0)
        scores = graph.op("Add", scores, follows)
    graph.output(graph.op("ArgMax", scores, axis=1, keepdims=0), "tag", "int64", [of_rows])
    exported.give_state(after, of_rows)
    return exported
