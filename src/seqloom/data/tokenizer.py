"""Text to token ids and back: the contract of a tokenizer, its settings, and the tokenizer of whitespace-separated
words.

Ids 0 to 3 are `<pad> <unk> <sos> <eos>`; the others are in order of falling frequency in the training text, which the
adaptive softmax relies on. `data.text_codec` trains and loads tokenizers.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from seqloom.config import Settings, needs, replaced_by
from seqloom.data.marked_function import import_path, source_hash
from seqloom.data.word_table import EncodedLines, WordCounter, WordTable, encode_lines
from seqloom.errors import RequestError, warn
from seqloom.files import write_atomic
from seqloom_portable.specials import EOS, PAD, SOS, SPECIALS, UNK, swap_lookalikes

__all__ = ["EOS", "PAD", "SOS", "SPECIALS", "UNK", "Tokenizer", "TokenizerSettings", "swap_lookalikes"]

LINES_TO_RANK_BY = 200_000
"""The first lines of the text, in which tokens are counted to order their ids."""

_DEFAULT_SIZES = {"character": 10_000, "word": 50_000, "bpe": 8_000, "unigram": 8_000}


class TokenizerSettings(Settings):
    file: str = Field(
        "",
        description="a tokenizer from elsewhere, the path of a tokenizer.json or of SentencePiece's .model; it "
        "replaces the other settings",
    )
    function: str = Field(
        "",
        description="a function in Python that divides a text into tokens: module:name, or in Python the function; it "
        "replaces kind, lowercase and punctuation",
        json_schema_extra=replaced_by("file"),
    )
    kind: Literal["character", "word", "bpe", "unigram"] = Field(
        "word", description="character, word (as separated by whitespace), bpe or unigram (pieces of bytes)",
        json_schema_extra=replaced_by("file", "function"),
    )  # fmt: skip
    vocab_size: int = Field(
        0, ge=0, le=2**24, description="largest vocabulary; 0 is the default of the kind (word: 50,000)",
        json_schema_extra=replaced_by("file"),
    )  # fmt: skip
    min_count: int = Field(
        0, ge=0, description="rarer words and characters become <unk>; 0: 1 where the text marks its own <unk>, else 2",
        json_schema_extra=replaced_by("file") | needs(kind=["character", "word"]),
    )  # fmt: skip
    lowercase: bool = Field(
        False, description="lowercase the text first", json_schema_extra=replaced_by("file", "function")
    )
    punctuation: bool = Field(
        False, description="word: punctuation marks are words of their own",
        json_schema_extra=replaced_by("file", "function") | needs(kind=["word"]),
    )  # fmt: skip

    @field_validator("function", mode="before")
    @classmethod
    def _importable(cls, function: object) -> object:
        if not callable(function):
            return function
        return import_path(function)

    @property
    def cache_key(self) -> str:
        """What a tokenizer depends on besides the text: the settings, the content of `file`, the source of the
        module of `function`."""
        if self.function:
            return f"{source_hash(self.function)} {self.vocab_size} {self.min_count}"
        if not self.file:
            return self.model_dump_json(exclude={"file", "function"})
        try:
            return hashlib.sha256(Path(self.file).read_bytes()).hexdigest()
        except (OSError, ValueError):  # a run holds its tokenizer, and needs the file no more
            return f"file {self.file}"

    @property
    def of_plain_words(self) -> bool:
        """Whether tokens are what whitespace separates, unchanged."""
        changed = self.file or self.function or self.lowercase or self.punctuation
        return self.kind == "word" and not changed

    @property
    def most_tokens(self) -> int:
        return self.vocab_size or _DEFAULT_SIZES[self.kind]

    def least_count(self, has_unknowns: bool) -> int:
        """How often a token must occur in a text that writes `<unk>` for its rare words, or does not."""
        return self.min_count or (1 if has_unknowns else 2)

    def check_room(self) -> None:
        """Raises RequestError where no token would have an id."""
        if self.most_tokens <= len(SPECIALS):
            raise RequestError(
                "the vocabulary has no room for a token",
                where="tokenizer.vocab_size",
                got=self.most_tokens,
                expected=f"more than {len(SPECIALS)}, the special tokens",
            )

    def check_frequent(self, num_tokens: int, least_count: int) -> None:
        """Raises RequestError where no token of the text is frequent enough for the vocabulary."""
        if not num_tokens:
            raise RequestError(
                "no token of the text is frequent enough for the vocabulary",
                where="tokenizer.min_count",
                got=least_count,
                expected="how often a token occurs",
                hint="set tokenizer.min_count=1, or give more text; text without whitespace needs tokenizer.kind=bpe",
            )


class Tokenizer(ABC):
    """A trained tokenizer. `separates_words`: whitespace is not encoded, and `decode` puts a space between tokens.
    `kind`: `bpe` and `unigram` for subwords of bytes, otherwise `word`, `character` or `other`."""

    vocab_size: int
    separates_words: bool
    kind: str

    @abstractmethod
    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """The ids of each line, without `<sos>` and `<eos>`."""

    @abstractmethod
    def encode_lines(self, lines: Sequence[str]) -> EncodedLines:
        """The ids of all lines in one array, each line with its `<eos>`."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; `<pad>`, `<sos>` and `<eos>` are left out. Bytes that are not UTF-8, such as a part of a
        character, are U+FFFD."""

    @abstractmethod
    def token(self, token_id: int) -> str:
        """The name of an id in the vocabulary."""

    @abstractmethod
    def tokens(self) -> list[str]:
        """The vocabulary in order of ids."""

    @abstractmethod
    def with_words(self, words: Iterable[str], most: int) -> Tokenizer:
        """A tokenizer with more `words` at the end of the vocabulary, up to `most` tokens. Only for tokenizers of
        words; subwords can encode every text."""

    @abstractmethod
    def to_json(self) -> str:
        """The tokenizer in the format of the tokenizers library."""

    def save(self, path: Path) -> None:
        write_atomic(path, self.to_json())


def marks_unknowns(lines: Iterable[str]) -> bool:
    """Whether a text already writes its unknown words as `<unk>`, as the Penn Treebank files do."""
    return any("<unk>" in line for line in lines)


def warn_of_two_forms(words: Iterable[str]) -> None:
    """Warns if a vocabulary has a word twice, with a composed character (NFC) and with a decomposed one (NFD)."""
    words = list(words)
    known = set(words)
    for word in words:
        if word.isascii() or unicodedata.is_normalized("NFC", word):
            continue
        if (composed := unicodedata.normalize("NFC", word)) in known:
            warn(
                "two words look the same but differ: an accented character is written as one character and as two",
                got=f"{composed!a} and {word!a} ({composed})",
                expected="one Unicode normalisation in all data, preferably NFC",
                hint="convert the text, for example with: uconv -x any-nfc",
            )
            return


_LINES_AT_ONCE = 4_096
_FORM: dict[str, Any] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "post_processor": None,
    "decoder": None,
}
"""What the tokenizers library writes for such a tokenizer, except for its model."""


def shown_token(tokenizer: Tokenizer, token_id: int) -> str:
    """A token as text for a reader; a token that is part of a character keeps the tokenizer's notation."""
    token = tokenizer.token(token_id)
    text = tokenizer.decode([token_id]).strip()
    return text if text and "\ufffd" not in text else token


class WordTokenizer(Tokenizer):
    separates_words = True

    def __init__(self, words: Sequence[str]) -> None:
        """`words`: the names of the vocabulary in order of ids, the special tokens first."""
        assert tuple(words[: len(SPECIALS)]) == SPECIALS
        self.vocab_size = len(words)
        self._table = WordTable.of([swap_lookalikes(word) for word in words])

    @classmethod
    def train(
        cls, lines: Iterable[str], settings: TokenizerSettings, ranked_by: Iterable[str] | None = None
    ) -> WordTokenizer:
        """Takes the most frequent words (ties in alphabetical order) and orders their ids by frequency in `ranked_by`,
        or else in the beginning of the text. Only a few lines of the text are in memory at a time."""
        settings.check_room()
        stream, counter, has_unknowns = iter(lines), WordCounter(), False
        sample = itertools.islice(stream, LINES_TO_RANK_BY)
        while block := list(itertools.islice(sample, _LINES_AT_ONCE)):
            counter.add(block)
            has_unknowns = has_unknowns or marks_unknowns(block)
        in_sample = counter.frequencies()
        while block := list(itertools.islice(stream, _LINES_AT_ONCE)):
            counter.add(block)
        counts = counter.frequencies()
        least_count = settings.least_count(has_unknowns)
        numbers = np.flatnonzero(counts >= least_count)
        words = counter.words(numbers)
        order = np.array(sorted(range(len(words)), key=words.__getitem__), np.int64)
        order = order[np.argsort(-counts[numbers[order]], kind="stable")][: settings.most_tokens - len(SPECIALS)]
        if ranked_by is None:
            frequency = np.concatenate([in_sample, np.zeros(len(counts) - len(in_sample), np.int64)])[numbers]
        else:
            frequency = _frequencies(words, itertools.islice(ranked_by, LINES_TO_RANK_BY))
        order = order[np.argsort(-frequency[order], kind="stable")]
        # A text that contains <unk> has it counted as a word, but it is the special token.
        names = [swap_lookalikes(words[i]) for i in order.tolist() if words[i] != SPECIALS[UNK]]
        settings.check_frequent(len(names), least_count)
        warn_of_two_forms(names)
        return cls([*SPECIALS, *names])

    @classmethod
    def parsed(cls, description: Mapping[str, Any]) -> WordTokenizer | None:
        """The tokenizer that `to_json` described; None if the description is of another kind of tokenizer."""
        model = description.get("model") or {}
        if any(description.get(name) != value for name, value in _FORM.items()) or model.get("type") != "WordLevel":
            return None
        words = sorted(model["vocab"], key=model["vocab"].__getitem__)
        in_order = [model["vocab"][word] for word in words] == list(range(len(words)))
        return cls(words) if in_order and tuple(words[: len(SPECIALS)]) == SPECIALS else None

    kind = "word"

    def to_json(self) -> str:
        vocabulary = {word: number for number, word in enumerate(self.tokens())}
        model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": SPECIALS[UNK]}
        return json.dumps({**_FORM, "model": model}, ensure_ascii=False, indent=2)

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        ids, offsets = self.encode_lines(lines)
        return [ids[first : last - 1].tolist() for first, last in itertools.pairwise(offsets.tolist())]

    def encode_lines(self, lines: Sequence[str]) -> EncodedLines:
        return encode_lines(self._table, lines, UNK, EOS)

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(self._table.words(np.array([i for i in ids if i not in (PAD, SOS, EOS)], np.int64)))

    def token(self, token_id: int) -> str:
        return swap_lookalikes(self._table.words(np.array([token_id]))[0])

    def tokens(self) -> list[str]:
        return [swap_lookalikes(word) for word in self._table.words(np.arange(self.vocab_size))]

    def with_words(self, words: Iterable[str], most: int) -> WordTokenizer:
        known = dict.fromkeys(self.tokens())
        for word in words:
            if len(known) >= most:
                break
            known.setdefault(word)
        return WordTokenizer(list(known))


def _frequencies(words: Sequence[str], lines: Iterable[str]) -> NDArray[np.int64]:
    """(words,): how often each word occurs in the lines."""
    counter = WordCounter()
    counter.add(list(lines))
    counts = counter.counts()
    return np.array([counts.get(word, 0) for word in words], np.int64)
