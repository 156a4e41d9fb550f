"""Which tokenizer is meant: by settings, where one is trained, or by what a file holds."""

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
    from seqloom.data.library_tokenizer import LibraryTokenizer  # the library is imported by those that use it

    return LibraryTokenizer.train(stream, settings, ranked_by)


def load_tokenizer(path: Path) -> Tokenizer:
    """Raises RequestError where there is none, or it is broken."""
    try:
        text = path.read_text(encoding="utf-8")
        words = WordTokenizer.parsed(json.loads(text))
        if words is not None:
            return words
        import tokenizers

        from seqloom.data.library_tokenizer import LibraryTokenizer

        return LibraryTokenizer(tokenizers.Tokenizer.from_str(text))
    except Exception as error:  # the library raises bare Exceptions
        raise RequestError("the tokenizer could not be read", where=str(path), got=str(error)) from None
