"""Plain text as data: training and loading of tokenizers, and the codec that turns lines into a token file."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from seqloom.data.corpus import Recipe
from seqloom.data.growth import grown_tokenizer, source_tokenizer
from seqloom.data.marked_function import PRE_TOKENIZER
from seqloom.data.splits import cut_line
from seqloom.data.token_file import TokenFile, TokenFileWriter
from seqloom.data.tokenizer import Tokenizer, TokenizerSettings, WordTokenizer
from seqloom.errors import RequestError, SeqloomError

_FILE = "tokenizer.json"


@dataclass(frozen=True)
class TextCodec:
    """A tokenizer, saved as `tokenizer.json`."""

    data_kind: ClassVar[str] = "text"

    tokenizer: Tokenizer

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(load_tokenizer(folder / _FILE))

    def save(self, folder: Path) -> None:
        self.tokenizer.save(folder / _FILE)

    def fingerprint(self) -> str:
        return self.tokenizer.to_json()

    def facts(self) -> dict[str, int]:
        return {"vocab_size": self.tokenizer.vocab_size}

    @property
    def source_tokenizer(self) -> Tokenizer:
        """The tokenizer of what a model reads."""
        return self.tokenizer

    def begin_from(self, earlier: Any) -> TextCodec:
        return TextCodec(grown_tokenizer(source_tokenizer(earlier, self), self.tokenizer))

    def writer(self, folder: Path) -> TokenFileWriter:
        return TokenFileWriter(folder, self.tokenizer)

    def open(self, folder: Path) -> TokenFile:
        return TokenFile.open(folder)


def text_recipe(read: Callable[[str], Iterator[str]], settings: TokenizerSettings) -> Recipe[str, TokenFile]:
    """How the lines that `read` yields become a token file."""

    def learn(lines: Callable[[], Iterable[str]], where: str) -> TextCodec:
        return TextCodec(train_tokenizer(lines(), settings, where))

    return Recipe(read, learn, TextCodec.load, settings.cache_key, identity=str, cut=cut_line)


def train_tokenizer(
    lines: Iterable[str],
    settings: TokenizerSettings,
    where: str | None = None,
    ranked_by: Iterable[str] | None = None,
) -> Tokenizer:
    """Learns the vocabulary from `lines`, which are read once, as a stream. `where`: their origin, for errors.

    Ids are ranked by frequency in `ranked_by`, if it is set: the text that a softmax predicts.
    """
    stream = iter(lines)
    if (first := next(stream, None)) is None:
        raise SeqloomError("there is no text to train on", where=where, expected="at least one line")
    stream = itertools.chain([first], stream)
    if settings.of_plain_words:
        return WordTokenizer.train(stream, settings, ranked_by)
    if settings.function:
        from seqloom.data.function_tokenizer import FunctionTokenizer

        return FunctionTokenizer.train(stream, settings, ranked_by)
    from seqloom.data.library_tokenizer import LibraryTokenizer  # a large library

    if settings.file:
        from seqloom.data.own_tokenizer import adopt_tokenizer

        return adopt_tokenizer(Path(settings.file), stream if ranked_by is None else ranked_by)
    return LibraryTokenizer.train(stream, settings, ranked_by)


def load_tokenizer(path: Path) -> Tokenizer:
    """Loads a tokenizer. Raises RequestError if the file is missing or broken."""
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        words = WordTokenizer.parsed(description)
        if words is not None:
            return words
        if (description.get("pre_tokenizer") or {}).get("type") == PRE_TOKENIZER:
            from seqloom.data.function_tokenizer import FunctionTokenizer

            return FunctionTokenizer.parsed(description)
        from seqloom.data.library_tokenizer import LibraryTokenizer

        return LibraryTokenizer.parsed(description)
    except RequestError:
        raise
    except Exception as error:  # the library raises bare Exceptions
        raise RequestError("the tokenizer could not be read", where=str(path), got=str(error)) from None
