"""Taggers: a tag for every word of a sentence, or for one word at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.batching import group_by_length, padded
from seqloom_portable.embedding import check_pooling, vectors_in_batches
from seqloom_portable.engine import Arrays, Engine
from seqloom_portable.errors import PortableError
from seqloom_portable.folder import Folder
from seqloom_portable.online_tags import online_tags
from seqloom_portable.spans import Span, scheme_of, spans
from seqloom_portable.specials import SPECIALS, UNK
from seqloom_portable.word_features import separate, symbols

_WORDS_AT_ONCE = 4_000
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class TaggedWords:
    """The words of a sentence, the tag of each and its probability; `spans` are the spans that the tags mark, if
    any."""

    words: Sequence[str]
    tags: Sequence[str]
    probabilities: Sequence[float]
    spans: Sequence[Span] | None = None

    @property
    def text(self) -> str:
        """Columns, one word per line, and an empty line at the end: several sentences form a CoNLL file."""
        return "".join(f"{word}\t{tag}\n" for word, tag in zip(self.words, self.tags, strict=True))

    def to_json(self) -> dict[str, Any]:
        """All fields; the `end` of a span is the index after its last word."""
        probabilities = [round(p, 6) for p in self.probabilities]
        plain: dict[str, Any] = {"words": list(self.words), "tags": list(self.tags), "probabilities": probabilities}
        if self.spans is None:
            return plain
        shown = [
            {"type": kind, "start": start, "end": stop, "text": " ".join(self.words[start:stop])}
            for kind, start, stop in self.spans
        ]
        return plain | {"spans": shown}


class Spelling:
    """The vocabularies of words and of characters, from `vocabulary.json`."""

    def __init__(self, folder: Folder) -> None:
        content = json.loads((folder.path / "vocabulary.json").read_text(encoding="utf-8"))
        self._words, self._characters = (
            {token: number for number, token in enumerate(content[kind], len(SPECIALS))}
            for kind in ("words", "characters")
        )
        self._lowercase, self._zero_digits = content["lowercase"], content["zero_digits"]
        self._features: int = content.get("features", 0)

    def forms(self, words: Sequence[str]) -> Arrays:
        """The inputs of the graphs for distinct words: the ids of the words and of their characters."""
        separated = [self.separate(word) for word in words]
        letters = [[self._characters.get(symbol, UNK) for symbol in symbols(*parts)] for parts in separated]
        return {
            "word_ids": np.array([self._words.get(self._entry(word), UNK) for word, _ in separated], np.int64),
            "characters": padded(letters) if any(letters) else np.zeros((len(words), 1), np.int64),
            "character_lengths": np.array([len(ids) for ids in letters], np.int64),
        }

    def separate(self, form: str) -> tuple[str, list[str]]:
        """A word and its features. Raises PortableError for a word that has too few."""
        try:
            return separate(form, self._features)
        except ValueError as error:
            raise PortableError(f"the model reads features of each word: got {form!r}, expected {error}") from None

    def _entry(self, word: str) -> str:
        """The vocabulary entry for a word as it is written."""
        word = word.lower() if self._lowercase else word
        return _DIGIT.sub("0", word) if self._zero_digits else word


class Tagger:
    def __init__(self, folder: Folder, threads: int = 1) -> None:
        self.folder, self.threads = folder, threads
        self.labels: list[str] = folder.manifest["labels"]
        self._spelling = Spelling(folder)
        self._scheme = scheme_of(self.labels)

    @cached_property
    def _engine(self) -> Engine:
        return self.folder.engine("model", self.threads)

    def predict(self, inputs: Sequence[str | Sequence[str]]) -> list[str]:
        """Each sentence as columns: word TAB tag, one word per line."""
        return [answer.text for answer in self.answers(inputs)]

    def answers(self, inputs: Sequence[str | Sequence[str]]) -> Iterator[TaggedWords]:
        """The tags of each sentence. A sentence is a line with words separated by whitespace, or a sequence of
        words."""
        sentences = [tuple(sentence.split()) if isinstance(sentence, str) else tuple(sentence) for sentence in inputs]
        tagged: dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
        real = [number for number, words in enumerate(sentences) if words]
        for group in group_by_length([len(sentences[number]) for number in real], _WORDS_AT_ONCE):
            places = [real[place] for place in group]
            outputs, _ = self._engine(**self._batch([sentences[place] for place in places]))
            for row, place in enumerate(places):
                length = len(sentences[place])
                tagged[place] = outputs["tags"][row, :length], outputs["probabilities"][row, :length]
        for number, words in enumerate(sentences):
            ids, probabilities = tagged.get(number, (np.zeros(0, np.int64), np.zeros(0, np.float32)))
            tags = [self.labels[i] for i in ids]
            marked = None if self._scheme is None else spans(tags, self._scheme)
            plain = tuple(self._spelling.separate(word)[0] for word in words)
            yield TaggedWords(plain, tags, probabilities.tolist(), marked)

    def _batch(self, sentences: Sequence[Sequence[str]]) -> Arrays:
        """The distinct words of some sentences, and each sentence as indices into them."""
        numbers: dict[str, int] = {}
        rows = [[numbers.setdefault(word, len(numbers)) for word in words] for words in sentences]
        lengths = np.array([len(row) for row in rows], np.int64)
        return {**self._spelling.forms(list(numbers)), "words": padded(rows, 0), "lengths": lengths}

    def online(self) -> Callable[[str], str]:
        """A function for a new sentence that takes its next word and returns the word's tag at once. Raises
        PortableError if the model needs the whole sentence."""
        return online_tags(
            self.folder, self.threads, self.labels, lambda word: self._spelling.forms([word]), "sentence"
        )

    def embed(self, inputs: Sequence[str | Sequence[str]], pooling: str = "auto") -> NDArray[np.float32]:
        """(inputs, size): by default, the mean of the layer's outputs; zeros for a line without words."""
        engine = self.folder.engine("embed", self.threads)
        name = check_pooling("mean" if pooling == "auto" else pooling)
        sentences = [tuple(sentence.split()) if isinstance(sentence, str) else tuple(sentence) for sentence in inputs]
        rows = [words or ("",) for words in sentences]

        def read(places: list[int]) -> tuple[Arrays, NDArray[np.bool_]]:
            batch = self._batch([rows[place] for place in places])
            reading, _ = engine(**batch)
            return reading, np.arange(batch["words"].shape[1]) < batch["lengths"][:, None]

        return vectors_in_batches(read, [len(row) for row in rows], [bool(words) for words in sentences], name)
