"""Tags the words of many sentences; sentences of like length are tagged together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.batches import Forms
from seqloom.data.lexicon import Lexicon
from seqloom.data.sentence_loader import sentence_batch
from seqloom.data.span_tags import Span
from seqloom_portable.batching import group_by_length

_WORDS_AT_ONCE = 4_000
"""Padding included, that are tagged together."""

_WINDOW = 4_096
"""Sentences that are brought into order of length at a time: enough for full batches, and a stream still flows."""

WordIds = NDArray[np.int64]


class Tags(Protocol):
    """A network that finds the tags of sentences."""

    def tag(
        self, inputs: Int[Tensor, "batch time"], forms: Forms, lengths: Int[Tensor, " batch"] | None = None
    ) -> tuple[Int[Tensor, "batch time"], Float[Tensor, "batch time"]]: ...


def tag_rows(
    model: Tags, rows: Iterable[WordIds], lexicon: Lexicon, device: torch.device
) -> Iterator[tuple[WordIds, NDArray[np.float32]]]:
    """Yields the label ids of each sentence's words and how probable each of them is, in the order given. A row is
    numbers of the lexicon's words, one or more."""
    stream = iter(rows)
    while window := list(itertools.islice(stream, _WINDOW)):
        by_place: dict[int, tuple[WordIds, NDArray[np.float32]]] = {}
        for places in group_by_length([len(row) for row in window], _WORDS_AT_ONCE):
            batch = sentence_batch([window[place] for place in places], lexicon).to(device)
            assert batch.forms is not None
            tagged = model.tag(batch.inputs, batch.forms, batch.lengths)
            tags, probabilities = (part.cpu().numpy() for part in tagged)
            for row, place in enumerate(places):
                length = len(window[place])
                by_place[place] = tags[row, :length], probabilities[row, :length]
        yield from (by_place[place] for place in range(len(window)))


@dataclass(frozen=True)
class TaggedWords:
    """A sentence's words, the tag of each and its probability; `spans`: what the tags mark, where they mark any;
    `proba`: probabilities stand in the text too."""

    words: Sequence[str]
    tags: Sequence[str]
    probabilities: Sequence[float]
    spans: Sequence[Span] | None = None
    proba: bool = False

    @property
    def text(self) -> str:
        """Columns, a word a line, and an empty line, so that sentence after sentence is a CoNLL file."""
        columns = zip(self.words, self.tags, self.probabilities, strict=True)
        lines = (f"{word}\t{tag}\t{p:.4f}" if self.proba else f"{word}\t{tag}" for word, tag, p in columns)
        return "".join(f"{line}\n" for line in lines)

    @property
    def score(self) -> float:
        """The logs of the tags' probabilities, in nats, summed."""
        return sum(math.log(max(p, 1e-300)) for p in self.probabilities)

    def to_json(self) -> dict[str, Any]:
        """All that is known; `end` of a span is no longer one of its words."""
        probabilities = [round(p, 6) for p in self.probabilities]
        plain: dict[str, Any] = {"words": list(self.words), "tags": list(self.tags), "probabilities": probabilities}
        if self.spans is None:
            return plain
        shown = [
            {"type": kind, "start": start, "end": stop, "text": " ".join(self.words[start:stop])}
            for kind, start, stop in self.spans
        ]
        return plain | {"spans": shown}
