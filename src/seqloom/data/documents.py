"""Documents: texts with names, each on a line or in a row of a table, as token ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from seqloom.data.corpus import Recipe
from seqloom.data.document_names import read_names, write_names
from seqloom.data.phrases import PhraseCodec, PhraseSettings, phrase_recipe
from seqloom.data.readers.documents import Document
from seqloom.data.token_file import TokenFile, TokenFileWriter
from seqloom.data.tokenizer import TokenizerSettings

_NAMES = "names.json"


@dataclass(frozen=True)
class DocumentFile(TokenFile):
    """Token ids whose every line is a document. `folder`: that of the file, where the names are."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> DocumentFile:
        ids = TokenFile.open(folder)
        return cls(ids.ids, ids.offsets, ids.num_bytes, ids.num_unknown, folder)

    def names(self) -> list[str]:
        """Those of the documents, in the order of the lines."""
        return read_names(self.folder / _NAMES)


class _DocumentWriter:
    """Writes the texts as a token file, and the names beside it."""

    def __init__(self, folder: Path, texts: TokenFileWriter) -> None:
        self._folder, self._texts, self._names = folder, texts, list[str]()

    def add(self, documents: list[Document]) -> None:
        self._texts.add([document.text for document in documents])
        self._names += [document.name for document in documents]

    def finish(self) -> None:
        self._texts.finish()
        write_names(self._folder / _NAMES, self._names)

    def discard(self) -> None:
        self._texts.discard()


@dataclass(frozen=True)
class DocumentCodec(PhraseCodec):
    """The codec of the texts of documents."""

    def writer(self, folder: Path) -> _DocumentWriter:  # type: ignore[override]
        return _DocumentWriter(folder, super().writer(folder))

    def open(self, folder: Path) -> DocumentFile:
        return DocumentFile.open(folder)


def document_recipe(
    read: Callable[[str], Iterator[Document]], settings: TokenizerSettings, phrases: PhraseSettings
) -> Recipe[Document, DocumentFile]:
    """How the documents that `read` yields become token ids of words and phrases, with their names."""
    texts = phrase_recipe(lambda path: (document.text for document in read(path)), settings, phrases)

    def learn(documents: Callable[[], Iterable[Document]], where: str) -> DocumentCodec:
        codec = texts.learn(lambda: (document.text for document in documents()), where)
        assert isinstance(codec, PhraseCodec)
        return DocumentCodec(codec.tokenizer, codec.phrases)

    return Recipe(
        read, learn, DocumentCodec.load, f"documents {texts.settings}", identity=lambda document: document.text,
        most_unknown=texts.most_unknown,
    )  # fmt: skip
