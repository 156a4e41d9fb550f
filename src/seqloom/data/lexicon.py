"""The distinct words of a text, the ids of each and of its characters, and batches of sentences of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from seqloom.data.batches import Batch, Forms
from seqloom.data.labels import UNSEEN
from seqloom.data.tokenizer import PAD
from seqloom.data.word_vocabularies import Spelling


@dataclass(frozen=True)
class Lexicon:
    """Distinct words. `word_ids`: (forms,); the characters of word i are `characters[offsets[i]:offsets[i + 1]]`."""

    word_ids: NDArray[np.int64]
    characters: NDArray[np.int64]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, forms: Sequence[str], spelling: Spelling) -> Lexicon:
        characters = [spelling.characters.ids(spelling.symbols(form)) for form in forms]
        offsets = np.cumsum([0, *map(len, characters)], dtype=np.int64)
        flat = np.fromiter((i for ids in characters for i in ids), dtype=np.int64, count=int(offsets[-1]))
        word_ids = spelling.words.ids(map(spelling.entry, forms))
        return cls(np.array(word_ids, dtype=np.int64), flat, offsets)

    def __len__(self) -> int:
        return len(self.word_ids)

    def forms(self, numbers: NDArray[np.int64]) -> Forms:
        """The words with these numbers, as tensors for a network."""
        starts, lengths = self.offsets[numbers], self.offsets[numbers + 1] - self.offsets[numbers]
        place = np.arange(max(int(lengths.max()), 1))
        real = place < lengths[:, None]
        characters = np.full(real.shape, PAD, dtype=np.int64)
        characters[real] = self.characters[(starts[:, None] + place)[real]]
        word_ids = np.ascontiguousarray(self.word_ids[numbers])
        ragged = None if real.all() else torch.from_numpy(lengths)
        return Forms(torch.from_numpy(word_ids), torch.from_numpy(characters), ragged)

    def batch(self, rows: Sequence[NDArray[np.int64]]) -> Batch:
        """A batch of sentences given as numbers of these words. Its `inputs` number the distinct words of the batch
        (`forms`); all targets are `UNSEEN`."""
        distinct, places = np.unique(np.concatenate(rows), return_inverse=True)
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        real = np.arange(lengths.max()) < lengths[:, None]
        inputs = np.zeros(real.shape, dtype=np.int64)
        inputs[real] = places.ravel()
        targets = torch.full(real.shape, UNSEEN)
        ragged = None if real.all() else torch.from_numpy(lengths)
        return Batch(torch.from_numpy(inputs), targets, ragged, forms=self.forms(distinct))


class Numbering:
    """Numbers words in the order of their first occurrence."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def of(self, words: Iterable[str]) -> list[int]:
        return [self.numbers.setdefault(word, len(self.numbers)) for word in words]
