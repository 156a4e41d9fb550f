"""Tagged sentences as files of columns, for the benchmarks of taggers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seqloom.data.readers.conll import Sentence


def write_columns(path: Path, sentences: Sequence[Sentence]) -> str:
    """Columns of the word, its auxiliary tags and its tag. Returns the path as text."""
    lines = (
        "".join("\t".join(row) + "\n" for row in zip(s.words, *s.auxiliary, s.tags, strict=True)) for s in sentences
    )
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)
