"""Classifiers: a class, a set of labels or a number for a text or for a sequence of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.batching import group_by_length, padded_source
from seqloom_portable.embedding import sentence_vectors
from seqloom_portable.engine import Engine
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from seqloom_portable.specials import EOS
from seqloom_portable.tokens import open_tokenizer

_ELEMENTS_AT_ONCE = 16_000

Frames = NDArray[np.floating[Any]]
"""(steps, channels); or (numbers,), one step of many channels or many steps of one, as in training."""


class Decision(NamedTuple):
    """A class: its label, its probability, and the logarithm of that, by which classes are ranked."""

    text: str
    probability: float
    score: float

    def to_json(self) -> dict[str, Any]:
        return {"label": self.text, "probability": round(self.probability, 6)}


class LabelSet(NamedTuple):
    """The labels above their thresholds. `text`: the labels, as the data separated them; `probabilities`: of all
    labels, the most probable first; `score`: the log-probability that these labels hold, and no others."""

    text: str
    labels: tuple[str, ...]
    probabilities: dict[str, float]
    score: float

    def to_json(self) -> dict[str, Any]:
        rounded = {label: round(probability, 6) for label, probability in self.probabilities.items()}
        return {"labels": list(self.labels), "probabilities": rounded}


class Number(NamedTuple):
    """A predicted number."""

    text: str
    number: float

    def to_json(self) -> dict[str, Any]:
        return {"number": self.number}


class Classifier:
    def __init__(self, folder: Folder, threads: int = 1) -> None:
        self.folder, self.threads = folder, threads
        self.labels: list[str] = folder.manifest["labels"]
        self.target: dict[str, Any] = folder.manifest.get("target", {"kind": "class"})
        self._settings: dict[str, Any] = folder.manifest["reading"]
        self.tokenizer = open_tokenizer(folder.path / "tokenizer.json") if self._settings["text"] else None

    @property
    def reads_numbers(self) -> bool:
        return self.tokenizer is None

    def predict(self, inputs: Sequence[Any]) -> list[str]:
        """The most probable class of each text, or of each sequence of numbers; or its labels, or its number."""
        return [answers[0].text for answers in self.answers(inputs)]

    def answers(self, inputs: Sequence[Any]) -> Iterator[list[Decision] | list[LabelSet] | list[Number]]:
        """Every class for each input, the most probable first; or one set of labels; or one number."""
        for outputs in self.log_probs(inputs):
            if self.target["kind"] == "number":
                yield [Number(f"{float(outputs[0]):.6g}", float(outputs[0]))]
            elif self.target["kind"] == "labels":
                yield [self._label_set(outputs)]
            else:
                order = np.argsort(-outputs, kind="stable")
                yield [Decision(self.labels[i], float(np.exp(outputs[i])), float(outputs[i])) for i in order]

    def _label_set(self, log_probs: NDArray[np.float32]) -> LabelSet:
        probabilities, exact = np.exp(log_probs), log_probs.astype(np.float64)
        holds = probabilities > np.array(self.target["thresholds"], np.float32)
        order = np.argsort(-exact, kind="stable").tolist()
        labels = tuple(self.labels[i] for i in order if holds[i])
        others = np.log(np.maximum(-np.expm1(exact), 1e-300))
        by_label = {self.labels[i]: float(probabilities[i]) for i in order}
        score = float(np.where(holds, exact, others).sum())
        return LabelSet(self.target["joined_by"].join(labels), labels, by_label, score)

    def log_probs(self, inputs: Sequence[Any]) -> NDArray[np.float32]:
        """(inputs, classes): log p(class | input) in nats, or that of each label; or (inputs, 1) numbers."""
        rows = self.rows(inputs)
        log_probs = np.zeros((len(rows), len(self.labels) or 1), np.float32)
        for places in group_by_length([len(row) for row in rows], _ELEMENTS_AT_ONCE):
            log_probs[places] = self.log_probs_of([rows[place] for place in places])
        return log_probs

    @cached_property
    def _engine(self) -> Engine:
        return self.folder.engine("model", self.threads)

    def log_probs_of(self, rows: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """The same for rows of token ids or frames in one batch."""
        source, lengths = padded_source(rows)
        outputs, _ = self._engine(source=source, lengths=lengths)
        log_probs: NDArray[np.float32] = outputs["numbers" if self.target["kind"] == "number" else "log_probs"]
        return log_probs

    def embed(self, inputs: Sequence[Any], pooling: str = "auto") -> NDArray[np.float32]:
        """(inputs, size): by default, the vector that the model classifies."""
        engine = self.folder.engine("embed", self.threads)
        return sentence_vectors(engine, self.rows(inputs), "decisive" if pooling == "auto" else pooling)

    def rows(self, inputs: Sequence[Any]) -> list[NDArray[Any]]:
        """The input of the network for each text or sequence: token ids with `<eos>`, or scaled frames, truncated."""
        if self.tokenizer is None:
            return [self._cut(self._scaled(_numbers(sequence))) for sequence in inputs]
        if not all(isinstance(text, str) for text in inputs):
            raise PortableError("the model reads text, but was given numbers")
        return [self._cut(np.array([*ids, EOS], np.int64)) for ids in self.tokenizer.encode(inputs)]

    def _cut(self, row: NDArray[Any]) -> NDArray[Any]:
        """The row, truncated as in training if it is too long."""
        most, part = self._settings["longest"], self._settings["part"]
        if not most or len(row) <= most:
            return row
        first = {"start": most, "end": 0, "both": (most + 1) // 2}[part]
        last = len(row) - (most - first)
        return np.concatenate([row[:first], row[last:]])

    def _scaled(self, numbers: NDArray[np.float64]) -> NDArray[np.float32]:
        scales = self._settings["scales"]
        mean, deviation = np.array(scales["mean"]), np.array(scales["deviation"])
        by_steps, channels = self._settings["by_steps"], len(mean)
        if numbers.ndim == 1:
            numbers = numbers[None] if by_steps or channels > 1 else numbers[:, None]
        if len(numbers) == 1 and numbers.shape[1] == (scales["length"] if by_steps else channels) + 1 > 1:
            numbers = numbers[:, :-1]  # the last number is the label
        if by_steps and len(numbers) == 1:
            numbers = numbers.reshape(-1, 1)
        if numbers.ndim != 2 or not len(numbers) or numbers.shape[1] != channels:
            raise PortableError(f"the numbers do not fit the model: {numbers.shape}; expected (steps, {channels})")
        return ((numbers - mean) / deviation).astype(np.float32)


def _numbers(sequence: Any) -> NDArray[np.float64]:
    try:
        return np.asarray(sequence, np.float64)
    except (TypeError, ValueError) as error:
        raise PortableError(f"the model reads numbers: {error}") from None
