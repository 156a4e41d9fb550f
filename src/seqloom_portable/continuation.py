"""The text that a language model goes on with after a prompt, as it comes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Protocol

from seqloom_portable.tokens import EOS


class Decodes(Protocol):
    separates_words: bool

    def encode(self, lines: list[str]) -> list[list[int]]: ...

    def decode(self, ids: list[int]) -> str: ...


def prompt_ids(tokenizer: Decodes, prompt: str, of_lines: bool, first_input: int) -> list[int]:
    """`first_input`, which stands before a text, and the prompt. A stream goes on after the end of a line; for a model
    of lines there is nothing after it."""
    lines = [prompt] if of_lines else prompt.split("\n")
    ids = [first_input, *itertools.chain.from_iterable((EOS, *line) for line in tokenizer.encode(lines))]
    del ids[1]
    return ids


def text_of(ids: Iterator[int], tokenizer: Decodes, stop_at_end: bool, begun: bool) -> Iterator[str]:
    """The text of ids as it grows. A character made of several byte tokens is held back until it is whole, and left
    out where it never is. `begun`: the prompt has something on its last line."""
    line: list[int] = []
    shown = ""
    for token in ids:
        if token == EOS:
            if stop_at_end:
                return
            yield "\n"
            line, shown, begun = [], "", False
            continue
        line.append(token)
        text = tokenizer.decode(line)
        if not text.endswith("\ufffd"):
            # Whitespace between words is not kept by the tokenizer; the first word follows the prompt.
            yield (" " if begun and not shown and tokenizer.separates_words else "") + text[len(shown) :]
            shown = text
