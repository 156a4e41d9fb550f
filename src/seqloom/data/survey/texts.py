"""Statistics over texts: lengths, characters, words, duplicates, and the share of unknown words in held-out texts."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqloom.data.splits import same_text


class Lengths(NamedTuple):
    """Quantiles of a number that each example has, and where the largest one is."""

    least: int
    median: int
    high: int
    most: int
    place: int

    @classmethod
    def of(cls, numbers: Sequence[int]) -> Lengths:
        values = np.asarray(numbers)
        median, high = np.quantile(values, (0.5, 0.95))
        return cls(int(values.min()), int(median), int(high), int(values.max()), int(values.argmax()))

    def in_words(self, unit: str) -> str:
        if self.median == self.most == self.high == self.least:
            return f"{self.most:,} {unit if self.most != 1 else unit.removesuffix('s')} in every example"
        median_unit = unit if self.median != 1 else unit.removesuffix("s")
        return f"{self.median:,} {median_unit} in the median, 95 % up to {self.high:,}, the longest {self.most:,}"


class TextFacts(NamedTuple):
    """`duplicates`: texts that equal an earlier one; `near`: those that differ from an earlier one only in case,
    whitespace or final punctuation, equal ones included. `unspaced`: the share of long texts without spaces.
    `is_decomposed`: some accents are not composed (NFC). `with_control`: texts with control characters."""

    words: Lengths
    duplicates: int
    near: int
    unspaced: float
    is_decomposed: bool
    with_control: int


def text_facts(texts: Sequence[str]) -> TextFacts:
    exact: set[int] = set()
    near: set[int] = set()
    unspaced = with_control = 0
    is_decomposed = False
    for text in texts:
        exact.add(hash(text))
        near.add(hash(same_text(text)))
        unspaced += len(text) > 40 and " " not in text
        is_decomposed = is_decomposed or not unicodedata.is_normalized("NFC", text)
        with_control += not text.isprintable() and any(unicodedata.category(c) == "Cc" for c in text)
    count = len(texts)
    return TextFacts(
        Lengths.of([len(text.split()) for text in texts]), count - len(exact), count - len(near), unspaced / count,
        is_decomposed, with_control,
    )  # fmt: skip


def unknown_rate(train: Sequence[str], held_out: Sequence[str], lowercase: bool = False) -> float:
    """The share of words in the held-out texts that occur less than twice in the training texts."""
    counts: Counter[str] = Counter()
    for text in train:
        counts.update((text.lower() if lowercase else text).split())
    unknown = total = 0
    for text in held_out:
        words = (text.lower() if lowercase else text).split()
        total += len(words)
        unknown += sum(counts[word] < 2 for word in words)
    return unknown / max(total, 1)
