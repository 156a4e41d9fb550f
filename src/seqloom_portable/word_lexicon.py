"""Words as paths of tokens: which word a search has come to, and which tokens can follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.continuation import Decodes
from seqloom_portable.specials import SPECIALS, UNK


class Tokenizer(Decodes, Protocol):
    """Text to token ids and back; if it `separates_words`, every token is a word."""

    vocab_size: int
    separates_words: bool


INSIDE, BEGINS, SEPARATES, WHOLE = range(4)
"""What a token does: it continues a word; it begins one, which ends the word before it; it is a space, which ends a
word; it is a word."""


class WordLexicon(NamedTuple):
    """A tree of the token sequences of words. Of every node (0 is the root): its `first` child and its `sibling` (-1:
    none), the `token` on the way to it and the `word` that ends there (-1: none). `kinds`: of every token."""

    first: NDArray[np.int32]
    sibling: NDArray[np.int32]
    token: NDArray[np.int32]
    word: NDArray[np.int32]
    kinds: NDArray[np.int8]

    @classmethod
    def of(cls, tokenizer: Tokenizer, words: Sequence[str]) -> WordLexicon:
        """The ids of `words` are their places, the special tokens before them. A word whose tokens are not all known
        is not in the tree."""
        first, sibling, token, ends = [-1], [-1], [-1], [-1]

        def child(node: int, step: int) -> int:
            place = first[node]
            while place >= 0 and token[place] != step:
                place = sibling[place]
            if place < 0:
                place = len(first)
                first.append(-1)
                sibling.append(first[node])
                token.append(step)
                ends.append(-1)
                first[node] = place
            return place

        kinds = _kinds(tokenizer)
        forms = [list(words)] if tokenizer.separates_words else [list(words), [f" {word}" for word in words]]
        for form in forms:
            for number, ids in enumerate(tokenizer.encode(form), len(SPECIALS)):
                ids = [i for i in ids if kinds[i] != SEPARATES]
                if not ids or UNK in ids:
                    continue
                node = 0
                for step in ids:
                    node = child(node, step)
                ends[node] = number
        arrays = [np.array(part, np.int32) for part in (first, sibling, token, ends)]
        return cls(arrays[0], arrays[1], arrays[2], arrays[3], kinds)


def _kinds(tokenizer: Tokenizer) -> NDArray[np.int8]:
    """Of a tokenizer of pieces, one that begins with a space begins a word."""
    if tokenizer.separates_words:
        return np.full(tokenizer.vocab_size, WHOLE, np.int8)
    kinds = np.full(tokenizer.vocab_size, INSIDE, np.int8)
    for number in range(len(SPECIALS), tokenizer.vocab_size):
        text = tokenizer.decode([number])
        if text.isspace():
            kinds[number] = SEPARATES
        elif text.startswith(" "):
            kinds[number] = BEGINS
    return kinds
