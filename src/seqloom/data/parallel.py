"""Sources and their target texts on disk, row by row: what pairs of texts and vectors with texts have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from seqloom.data.codec import Writer
from seqloom.data.token_file import TokenFile
from seqloom.files import make_folder
from seqloom.storage.flat_file import LineFileWriter

SourceFile = TypeVar("SourceFile")
ParallelCodec = TypeVar("ParallelCodec")
Example = TypeVar("Example")


@dataclass(frozen=True)
class Parallel(Generic[SourceFile, ParallelCodec]):
    """Row i of `source` belongs to line i of `target`. `text`: the file of the texts as they were read."""

    source: SourceFile
    target: TokenFile
    text: Path
    codec: ParallelCodec

    def __len__(self) -> int:
        return self.target.num_lines

    @property
    def num_lines(self) -> int:
        return self.target.num_lines


class ParallelWriter(Generic[Example]):
    """Writes the source and the target of each example into files of their own, and a line into the file `text`.
    `parts_of`: the source, the target and the line of an example."""

    def __init__(
        self, source: Writer[Any], target: Writer[str], text: Path, parts_of: Callable[[Example], tuple[Any, str, str]]
    ) -> None:
        make_folder(text.parent)
        self._source, self._target, self._text = source, target, LineFileWriter(text)
        self._parts_of = parts_of

    def add(self, examples: list[Example]) -> None:
        parts = [self._parts_of(example) for example in examples]
        self._source.add([source for source, _, _ in parts])
        self._target.add([target for _, target, _ in parts])
        self._text.add(line for _, _, line in parts)

    def finish(self) -> None:
        self._source.finish()
        self._target.finish()
        self._text.close()

    def discard(self) -> None:
        self._source.discard()
        self._target.discard()
        self._text.discard()
