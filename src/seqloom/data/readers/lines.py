"""Plain text, a sentence or paragraph a line; blank lines are passed over."""

from __future__ import annotations

from collections.abc import Iterator

from seqloom.data.readers import readers
from seqloom.files import read_lines


@readers.register("lines", "Text, one sentence or paragraph a line; empty lines are skipped.")
def lines(path: str) -> Iterator[str]:
    """Yields each line that is not blank, with the blanks at its ends taken off."""
    for line in read_lines(path):
        if text := line.strip():
            yield text
