"""The text with which a language model continues a prompt, piece by piece."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Protocol

from seqloom_portable.specials import EOS

_CONTEXT = 16
"""Tokens before the next one that its text may depend on: the bytes of a character, the space between words."""


class Decodes(Protocol):
    """A tokenizer."""

    def encode(self, lines: Sequence[str]) -> list[list[int]]: ...

    def decode(self, ids: Sequence[int]) -> str: ...


class TextStream:
    """Gives the text that each token adds after `ids`; all of it together is what decoding all the ids together adds.

    A character made of several byte tokens is held back until it is whole, and left out where it never is. The time
    for a token does not depend on how many came before.
    """

    def __init__(self, tokenizer: Decodes, ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._ids = list(ids[-_CONTEXT:])
        self._shown = tokenizer.decode(self._ids)

    def add(self, token: int) -> str:
        self._ids.append(token)
        text = self._tokenizer.decode(self._ids)
        whole = text.rstrip("\ufffd")
        added = whole[len(self._shown) :]
        self._shown = self._shown + added
        if len(self._ids) > 2 * _CONTEXT and whole == text:
            self._ids = self._ids[-_CONTEXT:]
            self._shown = self._tokenizer.decode(self._ids)
        return added


def prompt_ids(tokenizer: Decodes, prompt: str, of_lines: bool, first_input: int) -> tuple[list[int], list[int]]:
    """`first_input`, which stands before a text, and the prompt; and the part of it that is on its last line. A stream
    goes on after the end of a line; for a model of lines there is nothing after it."""
    lines = [prompt] if of_lines else prompt.split("\n")
    encoded = tokenizer.encode(lines)
    ids = [first_input, *itertools.chain.from_iterable((EOS, *line) for line in encoded)]
    del ids[1]
    return ids, encoded[-1]


def text_of(ids: Iterator[int], tokenizer: Decodes, line: list[int], stop_at_end: bool) -> Iterator[str]:
    """The text of `ids` as it grows after those of the `line` that was begun."""
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
