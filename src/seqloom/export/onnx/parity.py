"""Compares each kind of network with its graphs, at sizes that no graph was built for: one row and rows of different
lengths; one, two and many elements; an empty state and a carried one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqloom.export.onnx.compared_rows import (
    ROWS,
    Engines,
    Lengths,
    compare_reading,
    real_places,
    sizes_of,
    vocab_of,
)
from seqloom.export.onnx.forecast_parity import ForecastParity
from seqloom.export.onnx.gate import STEPS, Gate, check_inputs_matter
from seqloom.export.onnx.tagger_parity import tagger_parity
from seqloom.formats.onnx.classifier import OUTPUTS
from seqloom.models.attentional_transcriber import AttentionalTranscriber
from seqloom.models.bit_predictor import BitPredictor
from seqloom.models.classifier import Classifier
from seqloom.models.encoder_decoder import EncoderDecoder
from seqloom.models.forecasting.mixture import ForecastMixture
from seqloom.models.forecasting.network import ForecastNetwork
from seqloom.models.language_model import LanguageModel
from seqloom.models.tagger import FrameTagger, Tagger
from seqloom.models.transcriber import Transcriber
from seqloom_portable.engine import Arrays, Engine


class LanguageModelParity:
    def __init__(self, model: LanguageModel, engines: Engines, gate: Gate) -> None:
        self.model, self.engine, self.gate = model, engines["model"], gate
        self.step, self.embed = engines["step"], engines["embed"]
        self.rng = np.random.default_rng(1)

    def ids(self, lengths: Lengths) -> NDArray[np.int64]:
        """Random ids, also in padding, where they must change nothing."""
        return self.rng.integers(0, self.model.output.softmax.vocab_size, (len(lengths), max(lengths)))

    def expected(self, ids: NDArray[np.int64], state: Any, lengths: Lengths) -> tuple[Tensor, Any]:
        hidden, state = self.model(torch.from_numpy(ids), state, torch.tensor(list(lengths)))
        log_probs = self.model.output.softmax.log_probs(hidden.flatten(0, 1))
        return log_probs.view(*ids.shape, -1), state

    def run(self) -> None:
        for lengths in ROWS:
            self._chunks([lengths, lengths[::-1], [max(lengths)] * len(lengths)])
        self._chunks([[1, 1]] * STEPS, "step")
        ids, sizes = self.ids([6, 3]), sizes_of([6, 3])
        _, state = self.engine(token_ids=ids, lengths=sizes, **self.engine.first_state(2))
        feeds = {"token_ids": ids, "lengths": sizes, **state}
        check_inputs_matter(self.engine, feeds, {"token_ids": self.ids([6, 6])})
        self._single_steps()
        self._reading()

    def _single_steps(self) -> None:
        """Compares the graph for one token, from the first state and from that of the graph for sequences."""
        state, carried = self.step.first_state(1), self.model.initial_state(1)
        for number in range(STEPS):
            ids = self.ids([1])
            expected, carried = self.expected(ids, carried, [1])
            if number == STEPS // 2:
                _, state = self.engine(token_ids=ids, lengths=sizes_of([1]), **state)
                continue
            before = state
            outputs, state = self.step(token_ids=ids, **state)
            self.gate.compare(f"log-probabilities, one token, step {number + 1}", outputs["log_probs"], expected)
        check_inputs_matter(self.step, {"token_ids": ids, **before}, {"token_ids": ids + (1 if ids[0, 0] == 0 else -1)})

    def _chunks(self, chunks: Sequence[Lengths], what: str = "chunk") -> None:
        batch = len(chunks[0])
        state, carried = self.engine.first_state(batch), self.model.initial_state(batch)
        for number, lengths in enumerate(chunks):
            ids = self.ids(lengths)
            expected, carried = self.expected(ids, carried, lengths)
            outputs, state = self.engine(token_ids=ids, lengths=sizes_of(lengths), **state)
            where = f"log-probabilities, {batch} x {max(lengths)}, {what} {number + 1}"
            self.gate.compare(where, outputs["log_probs"], expected, real_places(lengths))

    def _reading(self) -> None:
        for lengths in ([1], [7, 4, 2]):
            ids = self.ids(lengths)
            compare_reading(self.gate, self.embed, self.model, ids, lengths)


def random_source(graph_input: Mapping[str, Any], vocab: int, lengths: Lengths, seed: int = 1) -> NDArray[Any]:
    """Random ids or frames for the input of a graph, also in padding."""
    rng, shape = np.random.default_rng(seed), (len(lengths), max(lengths))
    if graph_input["dtype"] == "float32":
        return rng.standard_normal((*shape, graph_input["shape"][2])).astype(np.float32)
    return rng.integers(0, vocab, shape)


def classifier_parity(model: Classifier, engines: Engines, gate: Gate) -> None:
    engine, vocab = engines["model"], vocab_of(model.encoder.read)
    source_input = engine.description["inputs"][0]
    for lengths in ROWS:
        source = random_source(source_input, vocab, lengths)
        expected = model.answers(torch.from_numpy(source), torch.tensor(list(lengths)))
        outputs, _ = engine(source=source, lengths=sizes_of(lengths))
        where = f"outputs of the classifier, {len(lengths)} x {max(lengths)}"
        scale = float(model.target_scale) if model.target.kind == "number" else 1.0
        gate.compare(where, outputs[OUTPUTS[model.target.kind]] / scale, expected.logits / scale)
        if expected.attention is not None:
            gate.compare(f"attention, {len(lengths)} x {max(lengths)}", outputs["attention"], expected.attention)
        compare_reading(gate, engines["embed"], model, source, lengths)
    feeds = {"source": random_source(source_input, vocab, [6, 3]), "lengths": sizes_of([6, 3])}
    others = {"source": random_source(source_input, vocab, [6, 6], seed=2), "lengths": sizes_of([2, 1])}
    check_inputs_matter(engine, feeds, others)


def ctc_parity(model: Transcriber | AttentionalTranscriber, engine: Engine, gate: Gate) -> None:
    rng = np.random.default_rng(1)
    for lengths in ROWS:
        shape = len(lengths), max(lengths), model.encoder.source_size
        source = rng.standard_normal(shape).astype(np.float32)
        expected = model.ctc_log_probs(torch.from_numpy(source), torch.tensor(list(lengths)))
        outputs, state = engine(source=source, lengths=sizes_of(lengths), **engine.first_state(len(lengths)))
        where = f"log-probabilities of CTC, {len(lengths)} x {max(lengths)}"
        gate.compare(where, outputs["log_probs"], expected, real_places(lengths))
    check_inputs_matter(engine, {"source": source, "lengths": sizes_of(lengths), **state}, {})
    if engine.state and isinstance(model, Transcriber):
        _compare_parts(model, engine, gate, rng)


def _compare_parts(model: Transcriber, engine: Engine, gate: Gate, rng: np.random.Generator) -> None:
    """Compares the parts of two recordings, read one after the other, and single steps after them."""
    state, carried = engine.first_state(2), model.initial_state(2)
    for number, size in enumerate([7, 2, 20, *[1] * STEPS]):
        source = rng.standard_normal((2, size, model.encoder.source_size)).astype(np.float32)
        outputs, state = engine(source=source, lengths=sizes_of([size] * 2), **state)
        expected, carried = model.step(torch.from_numpy(source), carried)
        gate.compare(f"log-probabilities of CTC, part {number + 1}", outputs["log_probs"], expected)


def bit_predictor_parity(model: BitPredictor, engines: Engines, gate: Gate) -> None:
    engine, rng = engines["model"], np.random.default_rng(1)
    for lengths in ROWS:
        state, carried = engine.first_state(len(lengths)), None
        for chunk in (1, 2) if model.layer.causal else (1,):
            inputs = rng.standard_normal((len(lengths), max(lengths), model.layer.input_size)).astype(np.float32)
            hidden, carried = model.layer(torch.from_numpy(inputs), carried, torch.tensor(list(lengths)))
            outputs, state = engine(inputs=inputs, lengths=sizes_of(lengths), **state)
            where = f"logits of bits, {len(lengths)} x {max(lengths)}, chunk {chunk}"
            gate.compare(where, outputs["logits"], model.output(hidden), real_places(lengths))
    feeds: Arrays = {"inputs": inputs[:, :7], "lengths": sizes_of([7, 6, 7, 2]), **state}
    check_inputs_matter(engine, feeds, {})


class EncoderDecoderParity:
    def __init__(self, model: EncoderDecoder, engines: Engines, gate: Gate) -> None:
        self.model, self.gate = model, gate
        self.encoder, self.step, self.embed = engines["encoder"], engines["step"], engines.get("embed")
        self.source_vocab = vocab_of(model.encoder.read)
        self.vocab = model.output.softmax.vocab_size
        self.rng = np.random.default_rng(1)

    def run(self) -> None:
        source_input = self.encoder.description["inputs"][0]
        for lengths, rows, steps in (([1], 1, 3), ([7, 4, 1], 1, 4), ([30, 40], 3, 5), ([5], 2, STEPS)):
            source = random_source(source_input, self.source_vocab, lengths)
            self._compare(source, lengths, rows, steps)
            if self.embed is not None:
                compare_reading(self.gate, self.embed, self.model, source, lengths)
        source = random_source(source_input, self.source_vocab, [6, 3])
        feeds = {"source": source, "lengths": sizes_of([6, 3])}
        other = random_source(source_input, self.source_vocab, [6, 6], seed=2)
        check_inputs_matter(self.encoder, feeds, {"source": other})
        encoded, state = self._begin(source, [6, 3], 2)
        ids = self.rng.integers(0, self.vocab, (2, 2))
        _, state = self.step(token_ids=ids, **state, **encoded)
        others = {"token_ids": (ids + 1 + self.rng.integers(0, self.vocab - 1, (2, 2))) % self.vocab}
        others["source_real"] = np.array([[True] * 3 + [False] * 3, [True] + [False] * 5])
        check_inputs_matter(self.step, {"token_ids": ids, **state, **encoded}, others)

    def _begin(self, source: NDArray[Any], lengths: Lengths, rows: int) -> tuple[Arrays, Arrays]:
        outputs, _ = self.encoder(source=source, lengths=sizes_of(lengths))
        first = {name: np.repeat(outputs.pop(name), rows, 0) for name in self.step.state if name in outputs}
        return outputs, first or self.step.first_state(len(lengths) * rows)

    def _compare(self, source: NDArray[Any], lengths: Lengths, rows: int, steps: int) -> None:
        """Compares some steps of `rows` hypotheses for each source, which change places as in a beam."""
        encoded, state = self._begin(source, lengths, rows)
        read = self.model.encode(torch.from_numpy(source), torch.tensor(list(lengths)))
        carried = self.model.initial_state(read, rows)
        for number in range(steps):
            ids = self.rng.integers(0, self.vocab, (len(lengths), rows))
            expected, carried, attention = self.model.decode_next(torch.from_numpy(ids), carried, read)
            outputs, state = self.step(token_ids=ids, **state, **encoded)
            where = f"log-probabilities, {len(lengths)} x {max(lengths)}, {rows} hypotheses, step {number + 1}"
            self.gate.compare(where, outputs["log_probs"], expected)
            if attention is not None:
                self.gate.compare("attention to the source", outputs["attention"], attention)


@torch.no_grad()
def check_parity(model: Any, engines: Engines, gate: Gate) -> None:
    """Raises ParityError if a network and its graphs differ."""
    if isinstance(model, LanguageModel):
        LanguageModelParity(model, engines, gate).run()
    elif isinstance(model, Classifier):
        classifier_parity(model, engines, gate)
    elif isinstance(model, Tagger | FrameTagger):
        tagger_parity(model, engines, gate)
    elif isinstance(model, EncoderDecoder):
        EncoderDecoderParity(model, engines, gate).run()
        if isinstance(model, AttentionalTranscriber):
            ctc_parity(model, engines["encoder"], gate)
    elif isinstance(model, ForecastNetwork):
        ForecastParity(model, engines, gate).run()
    elif isinstance(model, ForecastMixture):
        ForecastParity(model.network, engines, gate).run()
    elif isinstance(model, Transcriber):
        ctc_parity(model, engines["model"], gate)
    else:
        assert isinstance(model, BitPredictor)
        bit_predictor_parity(model, engines, gate)
