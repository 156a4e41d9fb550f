"""Standard output at a terminal: control characters, which could control the terminal, are shown as escapes."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from typing import Any

_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
"""C0 without tab and line feed, DEL, and C1 (U+0080 to U+009F) in UTF-8."""
_BEGIN_OF_C1 = b"\xc2"


@contextlib.contextmanager
def escaped_terminal() -> Iterator[None]:
    """Within the block, standard output shows control characters as escapes (`\\x1b`) if it is a terminal. Files and
    pipes get every byte as it is."""
    output = sys.stdout
    binary = getattr(output, "buffer", None)
    if binary is None or not output.isatty():
        yield
        return
    output.flush()
    raw = getattr(binary, "raw", binary)  # unbuffered output has no other below it
    stream = io.BufferedWriter(EscapedOutput(raw))
    sys.stdout = io.TextIOWrapper(stream, output.encoding, output.errors, line_buffering=True)
    try:
        yield
    finally:
        sys.stdout = output


class EscapedOutput(io.RawIOBase):
    """Bytes of UTF-8 text to `raw`. The first byte of a character that is cut waits for the second."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw, self._waiting = raw, b""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def write(self, content: Any) -> int:
        size, data = len(content), self._waiting + bytes(content)
        self._waiting = _BEGIN_OF_C1 if data.endswith(_BEGIN_OF_C1) else b""
        data = data.removesuffix(self._waiting) if self._waiting else data
        shown = memoryview(_CONTROL.sub(_escape, data))
        while shown:
            shown = shown[self._raw.write(shown) or 0 :]
        return size


def _escape(match: re.Match[bytes]) -> bytes:
    return f"\\x{match[0][-1]:02x}".encode()
