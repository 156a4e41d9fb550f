"""Sentences with a tag for each word as data: numbers of words and tags, memory-mapped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqloom.data.batches import Batch
from seqloom.data.growth import grown_names, other_data, source_tokenizer
from seqloom.data.labels import Labels
from seqloom.data.lexicon import Lexicon, Numbering
from seqloom.data.readers.conll import Sentence
from seqloom.data.tag_file import Tagged, TagWriter, open_tags
from seqloom.data.tokenizer import SPECIALS
from seqloom.data.vocabulary import Vocabulary
from seqloom.data.word_vocabularies import Spelling, VocabularySettings
from seqloom.errors import RequestError
from seqloom.files import make_folder, writing
from seqloom.storage.flat_file import FlatFileWriter, map_flat_file
from seqloom_portable.word_features import separate

_SPELLING, _LABELS, _AUXILIARY = "vocabulary.json", "labels.json", "auxiliary-{}.json"
_TABLES = ("word_ids", "characters", "offsets")


@dataclass(frozen=True)
class TaggedFile(Tagged):
    """Sentences as numbers. Sentence i has the words `tokens[starts[i]:starts[i + 1]]` (numbers of words in `lexicon`).
    `forms.txt` in `folder` has the words of the lexicon."""

    tokens: NDArray[np.uint32]
    lexicon: Lexicon
    folder: Path
    auxiliary: NDArray[np.int32] | None = None
    """(words, columns): the label ids of the auxiliary columns, `UNSEEN` where there is none."""

    @cached_property
    def forms(self) -> list[str]:
        """The words of the lexicon as they are written."""
        return (self.folder / "forms.txt").read_text(encoding="utf-8").split("\n")

    def rows(self, numbers: Iterable[int] | NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The words of these sentences, as numbers of the lexicon."""
        return [self.tokens[self.starts[i] : self.starts[i + 1]].astype(np.int64) for i in numbers]

    def batch(self, rows: Sequence[NDArray[np.int64]]) -> Batch:
        return self.lexicon.batch(rows)

    def auxiliary_targets(self, numbers: NDArray[np.int64]) -> list[NDArray[np.int32]] | None:
        if self.auxiliary is None:
            return None
        return [self.auxiliary[self.starts[i] : self.starts[i + 1]] for i in numbers]

    def sentence(self, number: int) -> Sentence:
        place = slice(self.starts[number], self.starts[number + 1])
        words = tuple(self.forms[i] for i in self.tokens[place])
        return Sentence(words, tuple(self.names[i] for i in self.tags[place]))

    def word_counts(self, vocab_size: int) -> NDArray[np.int64]:
        """How often each id of the vocabulary occurs."""
        forms = np.bincount(self.tokens, minlength=len(self.lexicon))
        return np.bincount(self.lexicon.word_ids, weights=forms, minlength=vocab_size).astype(np.int64)

    @classmethod
    def open(cls, folder: Path, labels: Labels, auxiliary_columns: int) -> TaggedFile:
        tables = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _TABLES}
        tokens = map_flat_file(folder / "tokens.bin", np.uint32)
        tags, starts, names = open_tags(folder, labels)
        auxiliary = None
        if auxiliary_columns:
            auxiliary = map_flat_file(folder / "auxiliary.bin", np.int32).reshape(-1, auxiliary_columns)
        return cls(tags, starts, labels, names, tokens, Lexicon(**tables), folder, auxiliary)


@dataclass(frozen=True)
class TagCodec:
    """The vocabularies of words and characters (`vocabulary.json`), the labels (`labels.json`), and the labels of each
    auxiliary column (`auxiliary-1.json` and so on)."""

    data_kind: ClassVar[str] = "words with tags"

    spelling: Spelling
    labels: Labels
    auxiliary: tuple[Labels, ...] = ()

    @classmethod
    def learn(
        cls,
        sentences: Iterable[Sentence],
        vocabulary: VocabularySettings,
        where: str,
        raw: Iterable[Sequence[str]] = (),
        features: int = 0,
    ) -> TagCodec:
        """`raw`: sentences without tags, whose words belong to the vocabulary too. `features`: how many each word
        has."""
        words: Counter[str] = Counter(word for sentence in raw for word in sentence)
        tags: set[str] = set()
        columns: list[AnnotationColumn] = []
        for sentence in sentences:
            words.update(sentence.words)
            tags.update(sentence.tags)
            of_words = zip(*(separate(word, features)[1] for word in sentence.words), strict=True)
            annotations = (*of_words, *sentence.auxiliary)
            settings = ["data.features"] * features + ["data.auxiliary"] * len(sentence.auxiliary)
            columns = columns or [AnnotationColumn(setting) for setting in settings]
            for column, cells in zip(columns, annotations, strict=True):
                column.add(cells, sentence.tags)
        labels_of_columns = tuple(column.labels(where) for column in columns)
        spelling, labels = Spelling.learn(words, vocabulary, features), Labels.learn(tags, where)
        return cls(spelling, labels, labels_of_columns[features:])

    @classmethod
    def load(cls, folder: Path) -> TagCodec:
        auxiliary: list[Labels] = []
        while (path := folder / _AUXILIARY.format(len(auxiliary) + 1)).exists():
            auxiliary.append(Labels.load(path))
        return cls(Spelling.load(folder / _SPELLING), Labels.load(folder / _LABELS), tuple(auxiliary))

    def save(self, folder: Path) -> None:
        self.spelling.save(folder / _SPELLING)
        self.labels.save(folder / _LABELS)
        for number, labels in enumerate(self.auxiliary, 1):
            labels.save(folder / _AUXILIARY.format(number))

    def fingerprint(self) -> str:
        return self.spelling.to_json() + json.dumps([labels.names for labels in (self.labels, *self.auxiliary)])

    def facts(self) -> dict[str, int]:
        sizes = {"vocab_size": len(self.spelling.words), "characters": len(self.spelling.characters)}
        return {**sizes, "labels": len(self.labels)}

    def begin_from(self, earlier: Any) -> TagCodec:
        """From a run that reads text, the words that its tokenizer separates are taken over."""
        if isinstance(earlier, TagCodec):
            labels = Labels(grown_names(earlier.labels.names, self.labels.names))
            return TagCodec(self.spelling.begin_from(earlier.spelling), labels, self.auxiliary)
        tokenizer = source_tokenizer(earlier, self)
        if not tokenizer.separates_words:
            raise other_data(earlier, self)
        words = Vocabulary(tuple(tokenizer.tokens()[len(SPECIALS) :]))
        return replace(self, spelling=self.spelling.begin_from(replace(self.spelling, words=words)))

    def writer(self, folder: Path) -> TaggedWriter:
        return TaggedWriter(folder, self)

    def open(self, folder: Path) -> TaggedFile:
        return TaggedFile.open(folder, self.labels, len(self.auxiliary))


@dataclass
class AnnotationColumn:
    """What a column of the training data contains besides words and tags, and the `setting` that chose it."""

    setting: str
    names: set[str] = field(default_factory=set)
    differs: bool = False
    """Whether it differs from the column that is predicted."""

    def add(self, cells: Sequence[str], tags: Sequence[str]) -> None:
        self.names.update(filter(None, cells))
        self.differs = self.differs or tuple(cells) != tuple(tags)

    def labels(self, where: str) -> Labels:
        """Its labels. Raises RequestError for a column from which nothing can be learnt."""
        if self.names and not self.differs:
            raise RequestError(
                "the column is the one that is predicted", where=f"{where}, {self.setting}", expected="another column"
            )
        if len(self.names) < 2:
            raise RequestError(
                "the column has nothing to distinguish", where=f"{where}, {self.setting}",
                got=f"only {min(self.names)!r}" if self.names else "no such column, or an empty one",
                expected="two different labels or more",
                hint="columns are numbers in CoNLL, numbers or names in CoNLL-U, and names in tables",
            )  # fmt: skip
        return Labels.learn(self.names, where)


class TaggedWriter:
    """Writes tagged sentences into `folder`. The distinct words are held in memory."""

    def __init__(self, folder: Path, codec: TagCodec) -> None:
        self._folder, self._codec, self._forms = make_folder(folder), codec, Numbering()
        self._token_file, self._tags = FlatFileWriter(folder / "tokens.bin", np.uint32), TagWriter(folder, codec.labels)
        self._auxiliary = FlatFileWriter(folder / "auxiliary.bin", np.int32)

    def add(self, examples: list[Sentence]) -> None:
        if any(not isinstance(example, Sentence) for example in examples):
            raise RequestError("the model reads sentences", got="sequences of numbers", expected="words with tags")
        self._token_file.add([i for sentence in examples for i in self._forms.of(sentence.words)])
        self._tags.add([sentence.tags for sentence in examples])
        self._auxiliary.add([i for sentence in examples for row in self._auxiliary_ids(sentence) for i in row])

    def _auxiliary_ids(self, sentence: Sentence) -> Iterator[tuple[int, ...]]:
        """The label ids of each word in the auxiliary columns."""
        cells = sentence.auxiliary or [("",) * len(sentence.words)] * len(self._codec.auxiliary)
        columns = zip(self._codec.auxiliary, cells, strict=True)
        return zip(*(labels.ids(cells) for labels, cells in columns), strict=True)

    def finish(self) -> None:
        self._token_file.close()
        self._tags.finish()
        self._auxiliary.close()
        forms = list(self._forms.numbers)
        lexicon = Lexicon.of(forms, self._codec.spelling)
        with writing(self._folder):
            for name in _TABLES:
                np.save(self._folder / f"{name}.npy", getattr(lexicon, name))
            (self._folder / "forms.txt").write_text("\n".join(forms), encoding="utf-8", newline="\n")

    def discard(self) -> None:
        self._token_file.discard()
        self._tags.discard()
        self._auxiliary.discard()
