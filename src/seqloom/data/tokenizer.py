"""Text to token ids and back: what every tokenizer has, and what is asked for.

Ids 0 to 3 are `<pad> <unk> <sos> <eos>`; from 4 on, ids stand in order of falling frequency in the training text, which
the adaptive softmax builds on. What makes tokenizers is in `data.text`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from seqloom.config import Settings
from seqloom.data.words import EncodedLines
from seqloom.errors import RequestError
from seqloom.files import write_atomic
from seqloom_portable.specials import EOS, PAD, SOS, SPECIALS, UNK, swap_lookalikes

__all__ = ["EOS", "PAD", "SOS", "SPECIALS", "UNK", "Tokenizer", "TokenizerSettings", "swap_lookalikes"]

LINES_TO_RANK_BY = 200_000
"""Of the text's beginning, in which tokens are counted for the order of their ids."""

_DEFAULT_SIZES = {"character": 10_000, "word": 50_000, "bpe": 8_000, "unigram": 8_000}


class TokenizerSettings(Settings):
    kind: Literal["character", "word", "bpe", "unigram"] = Field(
        "word", description="character, word (as separated by whitespace), bpe or unigram (pieces of bytes)"
    )
    vocab_size: int = Field(0, ge=0, le=2**24, description="largest vocabulary; 0 is the kind's own (word: 50,000)")
    min_count: int = Field(
        0, ge=0, description="rarer words and characters become <unk>; 0: 1 where the text marks its own <unk>, else 2"
    )
    lowercase: bool = Field(False, description="lowercase the text first")
    punctuation: bool = Field(False, description="word: punctuation marks are words of their own")

    @property
    def of_plain_words(self) -> bool:
        """Whether tokens are what whitespace separates, unchanged."""
        return self.kind == "word" and not self.lowercase and not self.punctuation

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
                hint="set tokenizer.min_count=1, or give more text",
            )


class Tokenizer(ABC):
    """A trained tokenizer. `separates_words`: whitespace between tokens is not encoded, and `decode` puts a space
    there."""

    vocab_size: int
    separates_words: bool

    @abstractmethod
    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """The ids of each line, without `<sos>` and `<eos>`."""

    @abstractmethod
    def encode_lines(self, lines: Sequence[str]) -> EncodedLines:
        """The ids of all lines in one row, each line with its `<eos>`."""

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
        """The same with other `words` after its own, until there are `most` tokens. Only of whole words: pieces know
        every text."""

    @abstractmethod
    def to_json(self) -> str:
        """All of it, in the format of the tokenizers library."""

    def save(self, path: Path) -> None:
        write_atomic(path, self.to_json())


def marks_unknowns(lines: Iterable[str]) -> bool:
    """Whether a text already writes its unknown words as `<unk>`, as the Penn Treebank files do."""
    return any("<unk>" in line for line in lines)
