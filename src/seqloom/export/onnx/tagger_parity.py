"""Compares taggers with their graphs: whole sequences, and one element after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqloom.data.batches import Forms
from seqloom.export.onnx.compared_rows import ROWS, Engines, Lengths, real_places, sizes_of, vocab_of
from seqloom.export.onnx.gate import STEPS, Gate, check_inputs_matter
from seqloom.models.tagger import FrameTagger, SequenceTagger, Tagger
from seqloom.nn.layer import State
from seqloom_portable.engine import Arrays


class TaggerParity(ABC):
    """`tags`: how many there are."""

    def __init__(self, model: Any, engines: Engines, gate: Gate) -> None:
        self.model, self.engines, self.gate = model, engines, gate
        self.rng = np.random.default_rng(1)
        self.tags = model.emit.out_features

    @abstractmethod
    def sequences(self, lengths: Lengths) -> tuple[Arrays, Tensor, Forms | None]:
        """Random sequences, also in padding: for the graph, but for their lengths, and for the network."""

    @abstractmethod
    def element(self) -> tuple[Arrays, Tensor, Forms | None]:
        """A random element: for the graph, and for the network."""

    def run(self) -> None:
        for lengths in ROWS:
            feeds, inputs, forms = self.sequences(lengths)
            self._compare({**feeds, "lengths": sizes_of(lengths)}, inputs, forms, lengths)
        feeds, others = ({**self.sequences([6, 3])[0], "lengths": sizes_of([6, 3])} for _ in range(2))
        del others["lengths"]
        if "characters" in feeds:
            others["characters"] = np.resize(others["characters"], feeds["characters"].shape)
            others["character_lengths"] = np.maximum(feeds["character_lengths"] - 1, 0)
        check_inputs_matter(self.engines["model"], feeds, others)
        if self.model.encoder.layer.causal:
            self._steps()

    def _compare(self, feeds: Arrays, inputs: Tensor, forms: Forms | None, lengths: Lengths) -> None:
        model: SequenceTagger = self.model
        sizes = torch.tensor(list(lengths))
        tags, probabilities = model.tag(inputs, forms, sizes)
        outputs, _ = self.engines["model"](**feeds)
        real, shape = real_places(lengths), f"{len(lengths)} x {max(lengths)}"
        same = outputs["tags"] == tags.numpy()
        self.gate.compare(f"tags, {shape}", (~same).astype(np.float32), np.zeros(real.shape), real)
        self.gate.compare(f"probabilities of tags, {shape}", outputs["probabilities"], probabilities, real)
        expected = model.reading(inputs, forms, sizes)
        reading, _ = self.engines["embed"](**feeds)
        self.gate.compare("outputs for vectors of sequences", reading["outputs"], expected.outputs, real)
        self.gate.compare("summary for vectors of sequences", reading["summary"], expected.summary)

    def _steps(self) -> None:
        engine = self.engines["step"]
        state = engine.first_state(1)
        carried: State | None = None
        before: int | None = None
        for number in range(STEPS):
            feeds, inputs, forms = self.element()
            tag_before = np.array([self.tags if before is None else before], np.int64)
            outputs, state = engine(**feeds, tag_before=tag_before, **state)
            before, carried = self.model.tag_next(self.model.vectors(inputs, forms), carried, before)
            differs = np.array([float(int(outputs["tag"][0]) != before)])
            self.gate.compare(f"tag of element {number + 1}, one by one", differs, np.zeros(1))


class WordTaggerParity(TaggerParity):
    def sequences(self, lengths: Lengths) -> tuple[Arrays, Tensor, Forms | None]:
        arrays = self._forms(12)
        words = self.rng.integers(0, 12, (len(lengths), max(lengths)))
        return {**arrays, "words": words}, torch.from_numpy(words), _as_tensors(arrays)

    def element(self) -> tuple[Arrays, Tensor, Forms | None]:
        arrays = self._forms(1)
        return arrays, torch.zeros(1, 1, dtype=torch.int64), _as_tensors(arrays)

    def _forms(self, count: int) -> Arrays:
        model: Tagger = self.model
        lengths = self.rng.integers(1, 9, count)
        letters = vocab_of(model.forms.letters.read)
        return {
            "word_ids": self.rng.integers(0, model.forms.words.num_embeddings, count),
            "characters": self.rng.integers(0, letters, (count, int(lengths.max()))),
            "character_lengths": lengths,
        }


class FrameTaggerParity(TaggerParity):
    def sequences(self, lengths: Lengths) -> tuple[Arrays, Tensor, Forms | None]:
        frames = self._normal(len(lengths), max(lengths))
        return {"source": frames}, torch.from_numpy(frames), None

    def element(self) -> tuple[Arrays, Tensor, Forms | None]:
        frame = self._normal(1)
        return {"source": frame}, torch.from_numpy(frame[None]), None

    def _normal(self, *shape: int) -> Any:
        model: FrameTagger = self.model
        return self.rng.standard_normal((*shape, model.frames.in_features)).astype(np.float32)


def _as_tensors(forms: Arrays) -> Forms:
    names = ("word_ids", "characters", "character_lengths")
    return Forms(*(torch.from_numpy(forms[name]) for name in names))


def tagger_parity(model: Tagger | FrameTagger, engines: Engines, gate: Gate) -> None:
    (FrameTaggerParity if isinstance(model, FrameTagger) else WordTaggerParity)(model, engines, gate).run()
