"""Transcripts: how the texts of recordings are written for training and scoring, and cut into tokens."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from seqloom.config import Settings, needs
from seqloom.data.text_codec import train_tokenizer
from seqloom.data.tokenizer import Tokenizer, TokenizerSettings

_FEW_WORDS, _OFTEN, _WORDS_OF_A_COMMAND = 500, 8, 2


class TranscriptSettings(Settings):
    kind: Literal["auto", "character", "word", "bpe", "unigram"] = Field(
        "auto",
        description="what is predicted; auto: words where a text has at most two on average, there are at most 500, "
        "and each occurs 8 times on average or more, such as commands; else characters",
    )
    vocab_size: int = Field(0, ge=0, le=2**24, description="largest vocabulary; 0 is the kind's own (bpe: 500)")
    min_count: int = Field(
        1, ge=1, description="rarer words and characters become <unk>",
        json_schema_extra=needs(kind=["auto", "character", "word"]),
    )  # fmt: skip
    lowercase: bool = Field(True, description="lowercase the transcripts")
    punctuation: bool = Field(False, description="keep punctuation marks; those within words always stay")

    def normalised(self, text: str) -> str:
        """The text as it is trained and scored, its words separated by single spaces."""
        text = unicodedata.normalize("NFC", text)
        if self.lowercase:
            text = text.lower()
        words = text.split()
        if not self.punctuation:
            words = [word.strip(_marks(word)) for word in words]
        return " ".join(word for word in words if word)

    def tokenizer(self, texts: Sequence[str], where: str) -> Tokenizer:
        """Learnt from transcripts that are normalised already."""
        kind = kind_of(texts) if self.kind == "auto" else self.kind
        size = self.vocab_size or (500 if kind in ("bpe", "unigram") else 0)
        settings = TokenizerSettings(kind=kind, vocab_size=size, min_count=self.min_count)
        return train_tokenizer((text for text in texts if text), settings, where)


def kind_of(texts: Sequence[str]) -> Literal["character", "word"]:
    """Of sentences, a network of words learns the grammar sooner than the sounds (LOG.md)."""
    counts = Counter(word for text in texts for word in text.split())
    are_few = len(counts) <= _FEW_WORDS and counts.total() >= _OFTEN * len(counts)
    are_short = counts.total() <= _WORDS_OF_A_COMMAND * sum(map(bool, texts))
    return "word" if are_few and are_short else "character"


def _marks(word: str) -> str:
    return "".join({character for character in word if unicodedata.category(character)[0] == "P"})
