"""Sentences with a tag for each word as data: numbers of words and tags, memory-mapped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqloom.data.corpus import Recipe
from seqloom.data.growth import grown_names, other_data, source_tokenizer
from seqloom.data.labels import UNSEEN, Labels
from seqloom.data.lexicon import Lexicon, Numbering
from seqloom.data.readers.conll import Sentence
from seqloom.data.tokenizer import SPECIALS
from seqloom.data.vocabulary import Vocabulary
from seqloom.data.word_vocabularies import Spelling, VocabularySettings
from seqloom.errors import SeqloomError
from seqloom.files import make_folder, writing
from seqloom.storage.flat_file import FlatFileWriter, map_flat_file

_SPELLING, _LABELS = "vocabulary.json", "labels.json"
_TABLES = ("word_ids", "characters", "offsets")


@dataclass(frozen=True)
class TaggedFile:
    """Sentences as numbers. Sentence i has the words `tokens[starts[i]:starts[i + 1]]` (numbers of words in `lexicon`)
    and the tags `tags[starts[i]:starts[i + 1]]` (positions in `names`).

    `names`: the labels of the training data in the order of their ids, then those that occur only in this file.
    `forms.txt` in `folder` has the words of the lexicon.
    """

    tokens: NDArray[np.uint32]
    tags: NDArray[np.uint32]
    starts: NDArray[np.int64]
    lexicon: Lexicon
    labels: Labels
    names: tuple[str, ...]
    folder: Path

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def num_lines(self) -> int:
        """Sentences."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    @cached_property
    def forms(self) -> list[str]:
        """The words of the lexicon as they are written."""
        return (self.folder / "forms.txt").read_text(encoding="utf-8").split("\n")

    def rows(self, numbers: Iterable[int] | NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The words of these sentences, as numbers of the lexicon."""
        return [self.tokens[self.starts[i] : self.starts[i + 1]].astype(np.int64) for i in numbers]

    def targets(self, numbers: Iterable[int] | NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The label ids of these sentences' tags, `UNSEEN` for tags that are not in the training data."""
        rows = [self.tags[self.starts[i] : self.starts[i + 1]].astype(np.int64) for i in numbers]
        return [np.where(tags < len(self.labels), tags, UNSEEN) for tags in rows]

    def sentence(self, number: int) -> Sentence:
        place = slice(self.starts[number], self.starts[number + 1])
        words = tuple(self.forms[i] for i in self.tokens[place])
        return Sentence(words, tuple(self.names[i] for i in self.tags[place]))

    def word_counts(self, vocab_size: int) -> NDArray[np.int64]:
        """How often each id of the vocabulary occurs."""
        forms = np.bincount(self.tokens, minlength=len(self.lexicon))
        return np.bincount(self.lexicon.word_ids, weights=forms, minlength=vocab_size).astype(np.int64)

    def transitions(self) -> NDArray[np.int64]:
        """(labels + 1, labels): how often label j follows label i; the last row counts the first labels of sentences.
        Only for training data, in which all tags are known."""
        counts = np.zeros((len(self.labels) + 1, len(self.labels)), dtype=np.int64)
        before = np.concatenate([[0], self.tags]).astype(np.int64)[:-1]
        before[self.starts[:-1]] = len(self.labels)
        np.add.at(counts, (before, self.tags), 1)
        return counts

    @classmethod
    def open(cls, folder: Path, labels: Labels) -> TaggedFile:
        tables = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _TABLES}
        names = (*labels.names, *json.loads((folder / "unseen.json").read_text(encoding="utf-8")))
        tokens, tags = (map_flat_file(folder / f"{name}.bin", np.uint32) for name in ("tokens", "tags"))
        starts = np.load(folder / "starts.npy", mmap_mode="r")
        return cls(tokens, tags, starts, Lexicon(**tables), labels, names, folder)


@dataclass(frozen=True)
class TagCodec:
    """The vocabularies of words and characters (`vocabulary.json`) and the labels (`labels.json`)."""

    data_kind: ClassVar[str] = "words with tags"

    spelling: Spelling
    labels: Labels

    @classmethod
    def load(cls, folder: Path) -> TagCodec:
        return cls(Spelling.load(folder / _SPELLING), Labels.load(folder / _LABELS))

    def save(self, folder: Path) -> None:
        self.spelling.save(folder / _SPELLING)
        self.labels.save(folder / _LABELS)

    def fingerprint(self) -> str:
        return self.spelling.to_json() + json.dumps(self.labels.names)

    def facts(self) -> dict[str, int]:
        sizes = {"vocab_size": len(self.spelling.words), "characters": len(self.spelling.characters)}
        return {**sizes, "labels": len(self.labels)}

    def begin_from(self, earlier: Any) -> TagCodec:
        """From a run that reads text, the words that its tokenizer separates are taken over."""
        if isinstance(earlier, TagCodec):
            labels = Labels(grown_names(earlier.labels.names, self.labels.names))
            return TagCodec(self.spelling.begin_from(earlier.spelling), labels)
        tokenizer = source_tokenizer(earlier, self)
        if not tokenizer.separates_words:
            raise other_data(earlier, self)
        words = Vocabulary(tuple(tokenizer.tokens()[len(SPECIALS) :]))
        return TagCodec(self.spelling.begin_from(replace(self.spelling, words=words)), self.labels)

    def writer(self, folder: Path) -> TaggedWriter:
        return TaggedWriter(folder, self)

    def open(self, folder: Path) -> TaggedFile:
        return TaggedFile.open(folder, self.labels)


class TaggedWriter:
    """Writes tagged sentences into `folder`. The distinct words are held in memory."""

    def __init__(self, folder: Path, codec: TagCodec) -> None:
        self._folder, self._codec = make_folder(folder), codec
        self._forms, self._tags, self._lengths = Numbering(), Numbering(), [0]
        self._tags.of(codec.labels.names)
        self._token_file, self._tag_file = (
            FlatFileWriter(folder / f"{name}.bin", np.uint32) for name in ("tokens", "tags")
        )

    def add(self, examples: list[Sentence]) -> None:
        self._lengths += [len(sentence.words) for sentence in examples]
        self._token_file.add([i for sentence in examples for i in self._forms.of(sentence.words)])
        self._tag_file.add([i for sentence in examples for i in self._tags.of(sentence.tags)])

    def finish(self) -> None:
        self._token_file.close()
        self._tag_file.close()
        forms = list(self._forms.numbers)
        lexicon = Lexicon.of(forms, self._codec.spelling)
        unseen = list(self._tags.numbers)[len(self._codec.labels) :]
        with writing(self._folder):
            for name in _TABLES:
                np.save(self._folder / f"{name}.npy", getattr(lexicon, name))
            np.save(self._folder / "starts.npy", np.cumsum(self._lengths, dtype=np.int64))
            (self._folder / "forms.txt").write_text("\n".join(forms), encoding="utf-8", newline="\n")
            (self._folder / "unseen.json").write_text(json.dumps(unseen), encoding="utf-8")

    def discard(self) -> None:
        self._token_file.discard()
        self._tag_file.discard()


def tag_recipe(
    read: Callable[[str], Iterator[Sentence]], vocabulary: VocabularySettings, target: object
) -> Recipe[Sentence, TaggedFile]:
    """How the sentences that `read` yields become numbers. `target`: the column of the tags, part of the cache key."""

    def learn(sentences: Callable[[], Iterable[Sentence]], where: str) -> TagCodec:
        words: Counter[str] = Counter()
        tags: set[str] = set()
        for sentence in sentences():
            words.update(sentence.words)
            tags.update(sentence.tags)
        if not words:
            raise SeqloomError("there is nothing to train on", where=where, expected="at least one sentence")
        return TagCodec(Spelling.learn(words, vocabulary), Labels.learn(tags, where))

    # Equal sentences stay in one split, whatever their tags are.
    key = f"tag {vocabulary.model_dump_json()} {target!r}"
    return Recipe(
        read,
        learn,
        TagCodec.load,
        key,
        identity=lambda sentence: "\t".join(sentence.words),
        check=lambda codec, where: codec.labels.check_several(where),
    )
