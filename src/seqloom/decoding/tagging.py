"""Tags the elements of many sequences, in batches of similar length: words, or steps of numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.batches import Batch, Forms
from seqloom.data.line_batches import padded
from seqloom.decoding.batching import run_in_batches
from seqloom_portable import frame_tagger, tagger

_ELEMENTS_AT_ONCE = 4_000
"""The number of words or steps in a batch, padding included."""

Row = NDArray[Any]
"""The elements of a sequence: numbers of words in a lexicon, or scaled steps (steps, channels)."""
LabelIds = NDArray[np.int64]
Tagging = tuple[LabelIds, NDArray[np.float32]]
"""The label id of each element of a sequence, and its probability."""
_Sequence = tuple[Row, LabelIds | None]


class Tags(Protocol):
    """A network that tags sequences."""

    def tag(
        self,
        inputs: Tensor,
        forms: Forms | None = None,
        lengths: Int[Tensor, " batch"] | None = None,
        known: Int[Tensor, "batch time"] | None = None,
    ) -> tuple[Int[Tensor, "batch time"], Float[Tensor, "batch time"]]: ...


def tag_rows(
    model: Tags,
    rows: Iterable[Row],
    batch_of: Callable[[Sequence[Row]], Batch],
    device: torch.device,
    known_tags: Iterable[LabelIds | None] | None = None,
) -> Iterator[Tagging]:
    """Yields the label ids of each sequence's elements and their probabilities, in the given order. A row has one or
    more elements, and `batch_of` makes a batch of rows. `known_tags`: the label ids of elements whose tags are known,
    -1 for the others; None for a sequence without any. The tags and probabilities are those given the known ones."""

    def tag_batch(sequences: list[_Sequence]) -> Iterator[Tagging]:
        batch = batch_of([row for row, _ in sequences]).to(device)
        known = None
        if any(tags is not None for _, tags in sequences):
            filled = [np.full(len(row), -1) if tags is None else tags for row, tags in sequences]
            known = torch.from_numpy(padded(filled, -1)).to(device)
        answer = model.tag(batch.inputs, batch.forms, batch.lengths, known)
        tags, probabilities = (part.cpu().numpy() for part in answer)
        return ((tags[i, : len(row)], probabilities[i, : len(row)]) for i, (row, _) in enumerate(sequences))

    paired = zip(rows, itertools.repeat(None) if known_tags is None else known_tags, strict=known_tags is not None)
    return run_in_batches(paired, lambda sequence: len(sequence[0]), _ELEMENTS_AT_ONCE, tag_batch)


@dataclass(frozen=True)
class TaggedWords(tagger.TaggedWords):
    """`proba`: whether the text includes probabilities."""

    proba: bool = False

    @property
    def text(self) -> str:
        if not self.proba:
            return super().text
        columns = zip(self.words, self.tags, self.probabilities, strict=True)
        return "".join(f"{word}\t{tag}\t{p:.4f}\n" for word, tag, p in columns)

    @property
    def score(self) -> float:
        """The sum of the log-probabilities of the tags, in nats."""
        return log_probability(self.probabilities)


@dataclass(frozen=True)
class StepTags(frame_tagger.StepTags):
    """`proba`: whether the text includes probabilities."""

    proba: bool = False

    @property
    def text(self) -> str:
        if not self.proba:
            return super().text
        return "".join(f"{tag}\t{p:.4f}\n" for tag, p in zip(self.tags, self.probabilities, strict=True))

    @property
    def score(self) -> float:
        """The sum of the log-probabilities of the tags, in nats."""
        return log_probability(self.probabilities)


def log_probability(probabilities: Iterable[float]) -> float:
    return sum(math.log(max(p, 1e-300)) for p in probabilities)
