"""Plain text as data: lines in, one token file out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from seqloom.data.corpus import Recipe
from seqloom.data.token_file import TokenFile, TokenFileWriter
from seqloom.data.tokenizer import Tokenizer, TokenizerSettings
from seqloom.data.tokenizer_kinds import load_tokenizer, train_tokenizer

_FILE = "tokenizer.json"


@dataclass(frozen=True)
class TextCodec:
    """A tokenizer, kept as `tokenizer.json`."""

    tokenizer: Tokenizer

    @classmethod
    def load(cls, folder: Path) -> TextCodec:
        return cls(load_tokenizer(folder / _FILE))

    def save(self, folder: Path) -> None:
        self.tokenizer.save(folder / _FILE)

    def fingerprint(self) -> str:
        return self.tokenizer.to_json()

    def facts(self) -> dict[str, int]:
        return {"vocab_size": self.tokenizer.vocab_size}

    def writer(self, folder: Path) -> TokenFileWriter:
        return TokenFileWriter(folder, self.tokenizer)

    def open(self, folder: Path) -> TokenFile:
        return TokenFile.open(folder)


def text_recipe(read: Callable[[str], Iterator[str]], settings: TokenizerSettings) -> Recipe[str, TokenFile]:
    """How the lines that `read` yields become a token file."""

    def learn(lines: Callable[[], Iterable[str]], where: str) -> TextCodec:
        return TextCodec(train_tokenizer(lines(), settings, where))

    return Recipe(read, learn, TextCodec.load, settings.model_dump_json(), identity=str)
