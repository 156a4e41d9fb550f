"""Phrases: pairs of words that occur together far more often than by chance become one word, such as `new_york`.

They are learned from the training text (Mikolov et al. 2013, section 4) and joined before words are looked up.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqloom.config import Settings, needs
from seqloom.data.corpus import Recipe
from seqloom.data.splits import cut_line
from seqloom.data.text_codec import TextCodec, train_tokenizer
from seqloom.data.token_file import TokenFile, TokenFileWriter, batches
from seqloom.data.tokenizer import TokenizerSettings
from seqloom.data.word_table import WordCounter, WordTable, encode_lines
from seqloom.errors import RequestError
from seqloom.files import write_atomic

_FILE = "phrases.json"
_JOINT = "_"
_LINES_AT_ONCE = 50_000

Pairs = frozenset[tuple[str, str]]


class PhraseSettings(Settings):
    passes: int = Field(
        0, ge=0, le=8, description="how often pairs are joined: 1 gives new_york, 2 also new_york_city; 0: no phrases"
    )
    threshold: float = Field(
        100.0, gt=0, le=1e9, description="how many times as often as by chance a pair occurs",
        json_schema_extra=needs(passes=True),
    )  # fmt: skip
    discount: int = Field(
        5, gt=0, description="subtracted from the count of each pair, so that rare ones are not joined",
        json_schema_extra=needs(passes=True),
    )  # fmt: skip


@dataclass(frozen=True)
class PhraseCodec(TextCodec):
    """A word tokenizer, and the pairs that each pass joins before it; saved as `phrases.json` beside it."""

    phrases: tuple[Pairs, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Self:
        path = folder / _FILE
        phrases: tuple[Pairs, ...] = ()
        if path.exists():
            try:
                passes = json.loads(path.read_text(encoding="utf-8"))
                phrases = tuple(frozenset((str(left), str(right)) for left, right in pairs) for pairs in passes)
            except (ValueError, TypeError) as error:
                raise RequestError("the phrases could not be read", where=str(path), got=repr(error)) from None
        return cls(TextCodec.load(folder).tokenizer, phrases)

    def save(self, folder: Path) -> None:
        super().save(folder)
        if self.phrases:
            write_atomic(folder / _FILE, self._to_json())

    def _to_json(self) -> str:
        return json.dumps([sorted(pairs) for pairs in self.phrases], ensure_ascii=False, indent=0)

    def fingerprint(self) -> str:
        return super().fingerprint() + (self._to_json() if self.phrases else "")

    def facts(self) -> dict[str, int]:
        return {**super().facts(), **({"phrases": sum(map(len, self.phrases))} if self.phrases else {})}

    def begin_from(self, earlier: Any) -> PhraseCodec:
        """The phrases are those of the earlier run."""
        return type(self)(super().begin_from(earlier).tokenizer, getattr(earlier, "phrases", ()))

    def joined(self, lines: Sequence[str]) -> Sequence[str]:
        """The lines with each phrase as one word."""
        for pairs in self.phrases:
            lines = [join(line, pairs) for line in lines]
        return lines

    def writer(self, folder: Path) -> TokenFileWriter:
        return _Joining(folder, self)


class _Joining(TokenFileWriter):
    """Joins phrases before it looks up words."""

    def __init__(self, folder: Path, codec: PhraseCodec) -> None:
        super().__init__(folder, codec.tokenizer)
        self._codec = codec

    def add(self, lines: list[str]) -> None:
        super().add(list(self._codec.joined(lines)))


def join(line: str, pairs: Pairs) -> str:
    """Joins pairs from left to right; no word is in two pairs."""
    words: list[str] = []
    may_join = False
    for word in line.split():
        if may_join and (words[-1], word) in pairs:
            words[-1] += _JOINT + word
            may_join = False
        else:
            words.append(word)
            may_join = True
    return " ".join(words)


_MOST_RARE = 0.5
"""The share of tokens without a vector. In a short text, many words are too rare for one."""


def phrase_recipe(
    read: Callable[[str], Iterator[str]], settings: TokenizerSettings, phrases: PhraseSettings
) -> Recipe[str, TokenFile]:
    """How the lines that `read` yields become a token file of words and phrases."""
    is_other = (
        settings.kind != "word" or settings.punctuation or settings.lowercase or settings.file or settings.function
    )
    if phrases.passes and is_other:
        raise RequestError(
            "phrases need words that are separated by whitespace", where="phrases.passes",
            expected="tokenizer.kind=word without lowercase and punctuation",
            hint="convert the text to lowercase first",
        )  # fmt: skip

    def learn(lines: Callable[[], Iterable[str]], where: str) -> PhraseCodec:
        passes: tuple[Pairs, ...] = ()
        for _ in range(phrases.passes):
            passes = (*passes, _pairs(partial(_read, lines, passes), phrases))
        return PhraseCodec(train_tokenizer(_read(lines, passes), settings, where), passes)

    dependent = phrases.model_dump_json() if phrases.passes else ""
    return Recipe(
        read, learn, PhraseCodec.load, settings.cache_key + dependent, identity=str, cut=cut_line,
        most_unknown=_MOST_RARE,
    )  # fmt: skip


def _read(lines: Callable[[], Iterable[str]], phrases: Sequence[Pairs]) -> Iterable[str]:
    """The lines with phrases joined, as a stream."""
    read = lines()
    for pairs in phrases:
        read = map(join, read, itertools.repeat(pairs))
    return read


def _pairs(lines: Callable[[], Iterable[str]], settings: PhraseSettings) -> Pairs:
    """The pairs ab for which (count(ab) - discount) / (count(a) count(b)) * number of words exceeds the threshold
    (Mikolov et al. 2013, equation 6, multiplied by the number of words to be independent of it)."""
    counter = WordCounter()
    for block in batches(lines(), _LINES_AT_ONCE):
        counter.add(block)
    word_counts = counter.counts()
    words = [word for word, count in word_counts.items() if count >= settings.discount]
    if not words:
        return frozenset()
    counts = np.array([word_counts[word] for word in words], np.float64)
    keys, times = _neighbours(lines(), words)
    first, second = keys // len(words), keys % len(words)
    score = (times - settings.discount) / (counts[first] * counts[second]) * sum(word_counts.values())
    joined = score > settings.threshold
    return frozenset((words[a], words[b]) for a, b in zip(first[joined].tolist(), second[joined].tolist(), strict=True))


def _neighbours(lines: Iterable[str], words: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs of `words` that are neighbours in a line, as first * len(words) + second, and their counts."""
    table, size = WordTable.of(words), len(words)
    keys, times = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for block in batches(lines, _LINES_AT_ONCE):
        ids = encode_lines(table, block, size, size).ids.astype(np.int64)
        both = (ids[:-1] < size) & (ids[1:] < size)
        block_keys, counts = np.unique(ids[:-1][both] * size + ids[1:][both], return_counts=True)
        keys, places = np.unique(np.concatenate([keys, block_keys]), return_inverse=True)
        times = np.bincount(places, np.concatenate([times, counts]), len(keys)).astype(np.int64)
    return keys, times
