"""Phrases: pairs of words that stand together far more often than chance has it become one word, `new_york`.

Learnt from the training text as Mikolov et al. (2013, section 4) do, as a step of reading before words are looked up.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqloom.config import Settings
from seqloom.data.corpus import Recipe
from seqloom.data.text import TextCodec, train_tokenizer
from seqloom.data.token_file import TokenFile, TokenFileWriter, batches
from seqloom.data.tokenizer import TokenizerSettings
from seqloom.data.words import WordCounter, WordTable, encode_lines
from seqloom.errors import RequestError
from seqloom.files import write_atomic

_FILE = "phrases.json"
_JOINT = "_"
_LINES_AT_ONCE = 50_000

Pairs = frozenset[tuple[str, str]]


class PhraseSettings(Settings):
    passes: int = Field(
        0, ge=0, le=8, description="times that pairs are joined: 1 finds new_york, 2 new_york_city; 0: none"
    )
    threshold: float = Field(100.0, gt=0, le=1e9, description="how many times as often as by chance a pair occurs")
    discount: int = Field(5, gt=0, description="is taken off the count of each pair, so that rare ones are not joined")


@dataclass(frozen=True)
class PhraseCodec(TextCodec):
    """A tokenizer of words, and the pairs that each pass joins before it; kept as `phrases.json` beside it."""

    phrases: tuple[Pairs, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> PhraseCodec:
        path = folder / _FILE
        phrases: tuple[Pairs, ...] = ()
        if path.exists():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                phrases = tuple(frozenset((str(one), str(other)) for one, other in pairs) for pairs in found)
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

    def joined(self, lines: Sequence[str]) -> Sequence[str]:
        """The lines with their phrases as words."""
        for pairs in self.phrases:
            lines = [join(line, pairs) for line in lines]
        return lines

    def writer(self, folder: Path) -> TokenFileWriter:
        return _Joining(folder, self)


class _Joining(TokenFileWriter):
    """Joins before it looks up."""

    def __init__(self, folder: Path, codec: PhraseCodec) -> None:
        super().__init__(folder, codec.tokenizer)
        self._codec = codec

    def add(self, lines: list[str]) -> None:
        super().add(list(self._codec.joined(lines)))


def join(line: str, pairs: Pairs) -> str:
    """Joins from left to right; no word is in two pairs."""
    found: list[str] = []
    free = False
    for word in line.split():
        if free and (found[-1], word) in pairs:
            found[-1] += _JOINT + word
            free = False
        else:
            found.append(word)
            free = True
    return " ".join(found)


def phrase_recipe(
    read: Callable[[str], Iterator[str]], settings: TokenizerSettings, phrases: PhraseSettings
) -> Recipe[str, TokenFile]:
    """How the lines that `read` yields become a token file of words and phrases."""
    if phrases.passes and (settings.kind != "word" or settings.punctuation or settings.lowercase):
        raise RequestError(
            "phrases are of words that whitespace separates", where="phrases.passes",
            expected="tokenizer.kind=word without lowercase and punctuation",
            hint="convert the text to lowercase first",
        )  # fmt: skip

    def learn(lines: Callable[[], Iterable[str]], where: str) -> PhraseCodec:
        found: tuple[Pairs, ...] = ()
        for _ in range(phrases.passes):
            so_far = found
            found = (*so_far, _pairs(partial(_read, lines, so_far), phrases))
        return PhraseCodec(train_tokenizer(_read(lines, found), settings, where), found)

    dependent = phrases.model_dump_json() if phrases.passes else ""
    return Recipe(read, learn, PhraseCodec.load, settings.model_dump_json() + dependent, identity=str)


def _read(lines: Callable[[], Iterable[str]], phrases: Sequence[Pairs]) -> Iterable[str]:
    """The lines, joined as they come."""
    read = lines()
    for pairs in phrases:
        read = map(join, read, itertools.repeat(pairs))
    return read


def _pairs(lines: Callable[[], Iterable[str]], settings: PhraseSettings) -> Pairs:
    """The pairs ab with (count(ab) - discount) / (count(a) count(b)) times the words of the text above the threshold
    (Mikolov et al. 2013, equation 6, times the text's length, so that it does not depend on that)."""
    counter = WordCounter()
    for block in batches(lines(), _LINES_AT_ONCE):
        counter.add(block)
    every = counter.counts()
    words = [word for word, count in every.items() if count >= settings.discount]
    if not words:
        return frozenset()
    counts = np.array([every[word] for word in words], np.float64)
    keys, times = _neighbours(lines(), words)
    first, second = keys // len(words), keys % len(words)
    score = (times - settings.discount) / (counts[first] * counts[second]) * sum(every.values())
    chosen = score > settings.threshold
    return frozenset((words[a], words[b]) for a, b in zip(first[chosen].tolist(), second[chosen].tolist(), strict=True))


def _neighbours(lines: Iterable[str], words: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of `words` that follow one another in a line, as first * len(words) + second, and how often they do."""
    table, size = WordTable.of(words), len(words)
    keys, times = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for block in batches(lines, _LINES_AT_ONCE):
        ids = encode_lines(table, block, size, size).ids.astype(np.int64)
        both = (ids[:-1] < size) & (ids[1:] < size)
        own, counts = np.unique(ids[:-1][both] * size + ids[1:][both], return_counts=True)
        keys, places = np.unique(np.concatenate([keys, own]), return_inverse=True)
        times = np.bincount(places, np.concatenate([times, counts]), len(keys)).astype(np.int64)
    return keys, times
