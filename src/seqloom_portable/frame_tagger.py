"""Taggers of numbers: a tag for every step of a sequence, or for one step at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.batching import group_by_length, padded_source
from seqloom_portable.embedding import sentence_vectors
from seqloom_portable.engine import Arrays, Engine
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from seqloom_portable.online_tags import online_tags
from seqloom_portable.spans import Span, scheme_of, spans

_STEPS_AT_ONCE = 4_000

Frames = NDArray[np.float32]


@dataclass(frozen=True)
class StepTags:
    """The tag of each step of a sequence of numbers, and its probability; `spans` are the spans that the tags mark, if
    any."""

    tags: Sequence[str]
    probabilities: Sequence[float]
    spans: Sequence[Span] | None = None

    @property
    def text(self) -> str:
        """A line for each step, and an empty line at the end."""
        return "".join(f"{tag}\n" for tag in self.tags)

    def to_json(self) -> dict[str, Any]:
        """All fields; the `end` of a span is the index after its last step."""
        plain: dict[str, Any] = {"tags": list(self.tags), "probabilities": [round(p, 6) for p in self.probabilities]}
        if self.spans is None:
            return plain
        return plain | {"spans": [{"type": kind, "start": start, "end": end} for kind, start, end in self.spans]}


class FrameTagger:
    """`channels`: the numbers of a step."""

    reads_steps = True

    def __init__(self, folder: Folder, threads: int = 1) -> None:
        self.folder, self.threads = folder, threads
        self.labels: list[str] = folder.manifest["labels"]
        reading = folder.manifest["reading"]
        self._mean, self._deviation = np.array(reading["mean"]), np.array(reading["deviation"])
        self.channels = len(self._mean)
        self._scheme = scheme_of(self.labels)

    @cached_property
    def _engine(self) -> Engine:
        return self.folder.engine("model", self.threads)

    def predict(self, inputs: Sequence[Any]) -> list[str]:
        """The tags of each sequence, a line for each step."""
        return [answer.text for answer in self.answers(inputs)]

    def answers(self, inputs: Sequence[Any]) -> Iterator[StepTags]:
        """The tags of each sequence (steps, channels), or (steps,) of one channel. Raises PortableError where the
        numbers do not fit the model."""
        rows = self.rows(inputs)
        tagged: dict[int, StepTags] = {}
        for places in group_by_length([len(row) for row in rows], _STEPS_AT_ONCE):
            source, lengths = padded_source([rows[place] for place in places])
            outputs, _ = self._engine(source=source, lengths=lengths)
            for row, place in enumerate(places):
                length = len(rows[place])
                tags = [self.labels[i] for i in outputs["tags"][row, :length]]
                marked = None if self._scheme is None else spans(tags, self._scheme)
                tagged[place] = StepTags(tags, outputs["probabilities"][row, :length].tolist(), marked)
        return (tagged[place] for place in range(len(rows)))

    def online(self) -> Callable[[Any], str]:
        """A function for a new sequence that takes the numbers of its next step and returns the tag at once. Raises
        PortableError if the model needs the whole sequence."""
        return online_tags(self.folder, self.threads, self.labels, self._feeds_of_step, "sequence")

    def _feeds_of_step(self, step: Any) -> Arrays:
        return {"source": self._row("the step", np.atleast_1d(step)[None])}

    def embed(self, inputs: Sequence[Any], pooling: str = "auto") -> NDArray[np.float32]:
        """(inputs, size): by default, the mean of the layer's outputs."""
        engine = self.folder.engine("embed", self.threads)
        return sentence_vectors(engine, self.rows(inputs), "mean" if pooling == "auto" else pooling)

    def rows(self, inputs: Sequence[Any]) -> list[Frames]:
        """The scaled numbers of each sequence, (steps, channels)."""
        return [self._row(f"input {number}", sequence) for number, sequence in enumerate(inputs, 1)]

    def _row(self, what: str, sequence: Any) -> Frames:
        try:
            numbers = np.asarray(sequence, np.float64)
        except (TypeError, ValueError):
            raise PortableError(f"{what} does not hold steps of as many numbers each") from None
        numbers = numbers[:, None] if numbers.ndim == 1 else numbers
        if numbers.ndim != 2 or not len(numbers) or numbers.shape[1] != self.channels:
            raise PortableError(f"{what} does not fit the model: {numbers.shape}; expected (steps, {self.channels})")
        with np.errstate(over="ignore"):  # what is too large is refused below
            scaled: Frames = ((numbers - self._mean) / self._deviation).astype(np.float32)
        if not np.isfinite(scaled).all():
            raise PortableError(f"{what} holds NaN, or a number too large for float32")
        return scaled
