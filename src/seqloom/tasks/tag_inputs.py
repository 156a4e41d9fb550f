"""The inputs of a tagger: sentences as text, as words, or as words with the tags that are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from seqloom.data.input_checks import shown
from seqloom.decoding.tagging import LabelIds
from seqloom.errors import RequestError, unknown_name

Input = str | Sequence[str | tuple[str, str | None]]
"""A line with words separated by whitespace, or the words; instead of a word, the word and its known tag (or None)."""


def words_of(sentence: Input) -> tuple[str, ...]:
    """The words of a sentence. Raises RequestError for what is no sentence."""
    if isinstance(sentence, str):
        return tuple(sentence.split())
    words = tuple(item if isinstance(item, str) else item[0] if _is_pair(item) else None for item in sentence)
    if None in words:
        expected = "words, or (word, tag) where a tag is known"
        raise RequestError("a sentence is a text or a list of words", got=shown(sentence), expected=expected)
    return cast(tuple[str, ...], words)


def _is_pair(item: Any) -> bool:
    """Whether an item is a word with its tag, or with None."""
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], str | None)


def known_tags(inputs: Sequence[Input], names: Sequence[str]) -> list[LabelIds | None]:
    """The label ids of the known tags of each sentence that `words_of` accepts, -1 for the other words; None for a
    sentence without any. Raises RequestError for a tag that the model does not have."""
    numbers = {name: number for number, name in enumerate(names)}
    known: list[LabelIds | None] = []
    for place, sentence in enumerate(inputs, 1):
        tags = [item[1] if isinstance(item, tuple) else None for item in sentence]
        for tag in tags:
            if tag is not None and tag not in numbers:
                raise unknown_name("tag", tag, names, where=f"sentence {place}")
        ids = [-1 if tag is None else numbers[tag] for tag in tags]
        known.append(np.array(ids, np.int64) if max(ids, default=-1) >= 0 else None)
    return known
