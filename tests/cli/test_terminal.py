"""Control characters of data: escapes at a terminal, the bytes themselves in files and pipes."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys

import hypothesis
import hypothesis.strategies as st
import pytest

import seqloom
from seqloom.cli.main import EscapedOutput

PROMPT = "w1\x1b[31m \x07\x9b2J\x7f \u00e9 \u8a9e\r\tw2"
SHOWN = r"w1\x1b[31m \x07\x9b2J\x7f é 語\x0d" + "\tw2"


class Raw(io.RawIOBase):
    """Takes at most three bytes at a time."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, content: object) -> int:
        part = bytes(content)[:3]  # type: ignore[call-overload]
        self.content += part
        return len(part)


@hypothesis.given(st.text(st.characters(blacklist_categories=["Cs"])), st.integers(1, 5))
@hypothesis.example(PROMPT, 1)
def test_text_is_escaped_wherever_it_is_cut(text: str, size: int) -> None:
    raw, content = Raw(), text.encode()
    output = EscapedOutput(raw)
    for start in range(0, len(content), size):
        part = content[start : start + size]
        assert output.write(part) == len(part)
    controls = {*range(0x20), *range(0x7F, 0xA0)} - {0x09, 0x0A}
    assert raw.content.decode() == "".join(f"\\x{ord(c):02x}" if ord(c) in controls else c for c in text)


def generate(run: seqloom.Run, stdout: int) -> bytes:
    command = [sys.executable, "-m", "seqloom", "generate", str(run.folder), "--prompt", PROMPT, "--max-tokens", "1"]
    done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout or b""


def test_a_pipe_gets_the_bytes(run: seqloom.Run) -> None:
    assert generate(run, subprocess.PIPE).startswith(PROMPT.encode())


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_terminal_gets_escapes(run: seqloom.Run) -> None:
    ours, theirs = os.openpty()
    generate(run, theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while part := os.read(ours, 1 << 16):
            shown += part
    os.close(ours)
    assert shown.decode().startswith(SHOWN)
