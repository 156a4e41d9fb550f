"""Lines of text appended to a file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from seqloom.files import writing


class LineFileWriter:
    """Appends lines to a new UTF-8 file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with writing(path):
            self._stream = path.open("w", encoding="utf-8", newline="\n")

    def add(self, lines: Iterable[str]) -> None:
        with writing(self._path):
            self._stream.writelines(f"{line}\n" for line in lines)

    def close(self) -> None:
        with writing(self._path):
            self._stream.close()

    def discard(self) -> None:
        """Closes the file, whatever becomes of what was written."""
        with contextlib.suppress(OSError):  # closing writes what is buffered, which a full disk refuses
            self._stream.close()
