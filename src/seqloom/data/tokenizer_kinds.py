"""Trains the tokenizer that settings describe, or loads the one of a file."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

from seqloom.data.tokenizer import Tokenizer, TokenizerSettings
from seqloom.data.word_tokenizer import WordTokenizer
from seqloom.errors import RequestError, SeqloomError


def train_tokenizer(
    lines: Iterable[str],
    settings: TokenizerSettings,
    where: str | None = None,
    ranked_by: Iterable[str] | None = None,
) -> Tokenizer:
    """Learns the vocabulary from `lines`, which are read once, as a stream. `where` is where they come from.

    Ids are ranked by frequency in `ranked_by`, where it is given: the text that a softmax is to predict.
    """
    stream = iter(lines)
    if (first := next(stream, None)) is None:
        raise SeqloomError("there is no text to train on", where=where, expected="at least one line")
    stream = itertools.chain([first], stream)
    if settings.of_plain_words:
        return WordTokenizer.train(stream, settings, ranked_by)
    from seqloom.data.library_tokenizer import LibraryTokenizer  # a large library

    return LibraryTokenizer.train(stream, settings, ranked_by)


def load_tokenizer(path: Path) -> Tokenizer:
    """Raises RequestError where there is none, or it is broken."""
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        words = WordTokenizer.parsed(description)
        if words is not None:
            return words
        from seqloom.data.library_tokenizer import LibraryTokenizer

        return LibraryTokenizer.parsed(description)
    except Exception as error:  # the library raises bare Exceptions
        raise RequestError("the tokenizer could not be read", where=str(path), got=str(error)) from None
