"""The text of tokens as they come."""

from __future__ import annotations

from collections.abc import Sequence

from seqloom.data.tokenizer import Tokenizer

_CONTEXT = 16
"""Tokens before the next one that its text may depend on: the bytes of a character, the space between words."""


class TextStream:
    """Gives the text that each token adds after `ids`; all of it together is what decoding all the ids together adds.

    A character made of several byte tokens is held back until it is whole, and left out where it never is. The time
    for a token does not depend on how many came before.
    """

    def __init__(self, tokenizer: Tokenizer, ids: Sequence[int]) -> None:
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
