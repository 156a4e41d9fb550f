"""The graphs of a tagger: tags of whole sentences, the tag of the next word, and sentence vectors."""

from __future__ import annotations

from seqloom.formats.onnx.crf import ChainScan
from seqloom.formats.onnx.encoder import Encoded, encode
from seqloom.formats.onnx.exported_graph import ExportedGraph
from seqloom.formats.onnx.graph import Graph, Value
from seqloom.formats.onnx.language_model import give_reading
from seqloom.formats.onnx.layers import run_layer, state_of
from seqloom.formats.onnx.matrices import Table, linear
from seqloom.formats.onnx.rows import Rows, repeated
from seqloom.models.tagger import Tagger
from seqloom.nn.crf.crf import CRF, ILLEGAL, NEVER


def tagger_graphs(model: Tagger, int8: bool = False) -> list[ExportedGraph]:
    """`model`: the distinct words of some sentences and the sentences as indices of these words, to tags and their
    probabilities; `embed`: the same inputs to encoded sentences; `step`, for a causal model: one word, the previous tag
    and the state, to the word's tag and the new state."""
    graphs = [_model(model, int8), _embed(model, int8)]
    return [*graphs, _step(model, int8)] if model.encoder.layer.causal else graphs


def _forms(graph: Graph, model: Tagger) -> Value:
    """(forms, size): a vector for each distinct word."""
    word_ids = graph.input("word_ids", "int64", ["forms"])
    characters = graph.input("characters", "int64", ["forms", "letters"])
    letters = encode(graph, model.forms.letters, characters, graph.input("character_lengths", "int64", ["forms"]))
    return graph.concat(Table(graph, model.forms.words.weight).take(word_ids), letters.summary, axis=1)


def _sentences(graph: Graph, model: Tagger) -> Encoded:
    forms = _forms(graph, model)
    words = graph.input("words", "int64", ["batch", "time"])
    lengths = graph.input("lengths", "int64", ["batch"])
    return encode(graph, model.encoder, graph.op("Gather", forms, words), lengths)


def _model(model: Tagger, int8: bool) -> ExportedGraph:
    graph = Graph(int8)
    encoded = _sentences(graph, model)
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


def _embed(model: Tagger, int8: bool) -> ExportedGraph:
    graph = Graph(int8)
    encoded = _sentences(graph, model)
    give_reading(graph, encoded.elements, encoded.outputs, encoded.summary)
    return ExportedGraph("embed", graph)


def _step(model: Tagger, int8: bool) -> ExportedGraph:
    """`tag_before` is the tag of the previous word, or the number of tags at the first word."""
    graph = Graph(int8)
    exported = ExportedGraph("step", graph)
    words = graph.unsqueeze(_forms(graph, model), 1)
    before = exported.take_state(state_of(model.encoder.layer), "forms")
    rows = Rows.of(graph, words, repeated(graph, graph.ints(1), graph.dim(words, 0), 0))
    outputs, after = run_layer(model.encoder.layer, graph, words, before, rows)
    scores = graph.squeeze(linear(graph, outputs, model.emit), 1)
    if isinstance(model.output, CRF):
        chain = model.output.chain(NEVER)
        moves = graph.concat(graph.weight(chain.transitions), graph.weight(chain.first[None]), axis=0)
        follows = graph.op("Gather", moves, graph.input("tag_before", "int64", ["forms"]), axis=0)
        scores = graph.op("Add", scores, follows)
    graph.output(graph.op("ArgMax", scores, axis=1, keepdims=0), "tag", "int64", ["forms"])
    exported.give_state(after, "forms")
    return exported
