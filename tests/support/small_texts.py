"""Texts as token files, and n-gram models of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, SPECIALS, UNK
from seqloom.models.ngram.model import NgramModel, NgramSettings

MOBY_DICK = Path(__file__).parents[2] / "examples" / "moby_dick.txt"


def token_file(lines: Sequence[Sequence[int]]) -> TokenFile:
    offsets = np.cumsum([0, *(len(line) + 1 for line in lines)])
    return TokenFile(np.array([i for line in lines for i in (*line, EOS)], np.uint32), offsets, 0, 0)


def words_of(lines: Sequence[str]) -> tuple[TokenFile, list[str]]:
    """The lines as ids, and the vocabulary."""
    tokens = list(SPECIALS) + sorted({word for line in lines for word in line.split()} - set(SPECIALS))
    ids = {word: i for i, word in enumerate(tokens)}
    return token_file([[ids.get(word, UNK) for word in line.split()] for line in lines]), tokens


def moby_dick(lines: int) -> list[str]:
    """The first lines of the novel that are not blank."""
    text = MOBY_DICK.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in text if line.strip()][:lines]


def fitted(tokens: TokenFile, vocab_size: int, **settings: object) -> NgramModel:
    model = NgramModel(NgramSettings(**settings))  # type: ignore[arg-type]
    model.estimate(tokens, None, vocab_size)
    return model
