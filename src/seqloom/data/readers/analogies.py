"""Analogies: lines of four words such as `man king woman queen`, in sections whose headings begin with a colon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from seqloom.data.readers import readers
from seqloom.errors import SeqloomError
from seqloom.files import read_lines


class Analogy(NamedTuple):
    """`first` is to `second` as `third` to `fourth`."""

    section: str
    first: str
    second: str
    third: str
    fourth: str


@readers.register("analogies", "Analogies of four words per line, in sections that begin with a colon.")
def analogies(path: str) -> Iterator[Analogy]:
    """Yields the questions of each section. Raises SeqloomError with `file:line` at a line without exactly four
    words."""
    section = ""
    for number, line in enumerate(read_lines(path), 1):
        words = line.split()
        if line.startswith(":"):
            section = line[1:].strip()
        elif words:
            if len(words) != 4:
                raise SeqloomError(
                    "an analogy is four words",
                    where=f"{path}:{number}",
                    got=repr(line),
                    expected="like: man king woman queen",
                )
            yield Analogy(section, *words)
