"""Tags the words of many sentences, in batches of similar length."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.batches import Forms
from seqloom.data.lexicon import Lexicon
from seqloom.data.line_batches import padded
from seqloom.data.sentence_loader import sentence_batch
from seqloom.decoding.batching import run_in_batches
from seqloom_portable import tagger

_WORDS_AT_ONCE = 4_000
"""The number of words in a batch, padding included."""

WordIds = NDArray[np.int64]
LabelIds = NDArray[np.int64]
_Sentence = tuple[WordIds, LabelIds | None]


class Tags(Protocol):
    """A network that tags sentences."""

    def tag(
        self,
        inputs: Int[Tensor, "batch time"],
        forms: Forms,
        lengths: Int[Tensor, " batch"] | None = None,
        known: Int[Tensor, "batch time"] | None = None,
    ) -> tuple[Int[Tensor, "batch time"], Float[Tensor, "batch time"]]: ...


def tag_rows(
    model: Tags,
    rows: Iterable[WordIds],
    lexicon: Lexicon,
    device: torch.device,
    known_tags: Iterable[LabelIds | None] | None = None,
) -> Iterator[tuple[LabelIds, NDArray[np.float32]]]:
    """Yields the label ids of each sentence's words and their probabilities, in the given order. A row has the indices
    of one or more words in the lexicon. `known_tags`: the label ids of words whose tags are known, -1 for the others;
    None for a sentence without any. The tags and probabilities are those given the known ones."""

    def tag_batch(sentences: list[_Sentence]) -> Iterator[tuple[LabelIds, NDArray[np.float32]]]:
        batch = sentence_batch([row for row, _ in sentences], lexicon).to(device)
        assert batch.forms is not None
        known = None
        if any(tags is not None for _, tags in sentences):
            filled = [np.full(len(row), -1) if tags is None else tags for row, tags in sentences]
            known = torch.from_numpy(padded(filled, -1)).to(device)
        answer = model.tag(batch.inputs, batch.forms, batch.lengths, known)
        tags, probabilities = (part.cpu().numpy() for part in answer)
        return ((tags[i, : len(row)], probabilities[i, : len(row)]) for i, (row, _) in enumerate(sentences))

    paired = zip(rows, itertools.repeat(None) if known_tags is None else known_tags, strict=known_tags is not None)
    return run_in_batches(paired, lambda sentence: len(sentence[0]), _WORDS_AT_ONCE, tag_batch)


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
        return sum(math.log(max(p, 1e-300)) for p in self.probabilities)
