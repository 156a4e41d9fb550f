"""The text with which a language model continues a prompt, one piece at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Protocol

from seqloom_portable.specials import EOS

_CONTEXT = 16
"""Tokens before the next one that its text may depend on: the other bytes of a character, the space between words."""


class Decodes(Protocol):
    """A tokenizer."""

    def encode(self, lines: Sequence[str]) -> list[list[int]]: ...

    def decode(self, ids: Sequence[int]) -> str: ...


class TextStream:
    """Yields the text that each token adds after `ids`. The pieces together are what decoding all ids together would
    add.

    A character of several byte tokens is held back until it is complete, and left out if it never is. The time for a
    token does not depend on the number of tokens before it."""

    def __init__(self, tokenizer: Decodes, ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._ids = list(ids[-_CONTEXT:])
        self._shown = tokenizer.decode(self._ids)

    def add(self, token: int) -> str:
        self._ids.append(token)
        text = self._tokenizer.decode(self._ids)
        complete = text.rstrip("\ufffd")
        added = complete[len(self._shown) :]
        self._shown = self._shown + added
        if len(self._ids) > 2 * _CONTEXT and complete == text:
            self._ids = self._ids[-_CONTEXT:]
            self._shown = self._tokenizer.decode(self._ids)
        return added


def prompt_ids(tokenizer: Decodes, prompt: str, of_lines: bool, first_input: int) -> tuple[list[int], list[int]]:
    """The ids of `first_input`, which precedes any text, and of the prompt; and the ids of the prompt's last line. A
    language model of a stream continues after the end of a line; for a model of lines, nothing follows."""
    lines = [prompt] if of_lines else prompt.split("\n")
    encoded = tokenizer.encode(lines)
    ids = [first_input, *itertools.chain.from_iterable((EOS, *line) for line in encoded)]
    del ids[1]
    return ids, encoded[-1]


def text_of(ids: Iterator[int], tokenizer: Decodes, line: list[int], stop_at_end: bool) -> Iterator[str]:
    """Yields the text of `ids`, piece by piece, as it follows the `line` that was begun."""
    text = TextStream(tokenizer, line)
    for token in ids:
        if token != EOS:
            if added := text.add(token):
                yield added
        elif stop_at_end:
            return
        else:
            yield "\n"
            text = TextStream(tokenizer, [])
