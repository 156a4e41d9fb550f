"""Words as tokens, as whitespace separates them: counted, looked up and stored by compiled code."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.data.same_looking import warn_of_two_forms
from seqloom.data.tokenizer import (
    EOS,
    LINES_TO_RANK_BY,
    PAD,
    SOS,
    SPECIALS,
    UNK,
    Tokenizer,
    TokenizerSettings,
    marks_unknowns,
    swap_lookalikes,
)
from seqloom.data.words import EncodedLines, WordCounter, WordTable, encode_lines

_LINES_AT_ONCE = 4_096
_FORM: dict[str, Any] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "post_processor": None,
    "decoder": None,
}
"""What the tokenizers library writes of such a tokenizer, its model aside."""


class WordTokenizer(Tokenizer):
    separates_words = True

    def __init__(self, words: Sequence[str]) -> None:
        """`words`: the names of the vocabulary in order of ids, the special tokens first."""
        assert tuple(words[: len(SPECIALS)]) == SPECIALS
        self.vocab_size = len(words)
        self._table = WordTable.of([swap_lookalikes(word) for word in words])

    @classmethod
    def train(
        cls, lines: Iterable[str], settings: TokenizerSettings, ranked_by: Iterable[str] | None = None
    ) -> WordTokenizer:
        """The most frequent words, of equals the first in the alphabet; their ids by their frequency in `ranked_by`, or
        in the beginning of the text. Of the text no more than a few lines are held at a time."""
        settings.check_room()
        stream, counter, has_unknowns = iter(lines), WordCounter(), False
        sample = itertools.islice(stream, LINES_TO_RANK_BY)
        while block := list(itertools.islice(sample, _LINES_AT_ONCE)):
            counter.add(block)
            has_unknowns = has_unknowns or marks_unknowns(block)
        in_sample = counter.frequencies()
        while block := list(itertools.islice(stream, _LINES_AT_ONCE)):
            counter.add(block)
        counts = counter.frequencies()
        least_count = settings.least_count(has_unknowns)
        numbers = np.flatnonzero(counts >= least_count)
        words = counter.words(numbers)
        order = np.array(sorted(range(len(words)), key=words.__getitem__), np.int64)
        order = order[np.argsort(-counts[numbers[order]], kind="stable")][: settings.most_tokens - len(SPECIALS)]
        if ranked_by is None:
            frequency = np.concatenate([in_sample, np.zeros(len(counts) - len(in_sample), np.int64)])[numbers]
        else:
            frequency = _frequencies(words, itertools.islice(ranked_by, LINES_TO_RANK_BY))
        order = order[np.argsort(-frequency[order], kind="stable")]
        # A text that writes <unk> itself has it counted as a word; it is the special token all the same.
        names = [swap_lookalikes(words[i]) for i in order.tolist() if words[i] != SPECIALS[UNK]]
        settings.check_frequent(len(names), least_count)
        warn_of_two_forms(names)
        return cls([*SPECIALS, *names])

    @classmethod
    def parsed(cls, description: Mapping[str, Any]) -> WordTokenizer | None:
        """Of what `to_json` gives; None where it is another tokenizer's."""
        model = description.get("model") or {}
        if any(description.get(name) != value for name, value in _FORM.items()) or model.get("type") != "WordLevel":
            return None
        words = sorted(model["vocab"], key=model["vocab"].__getitem__)
        in_order = [model["vocab"][word] for word in words] == list(range(len(words)))
        return cls(words) if in_order and tuple(words[: len(SPECIALS)]) == SPECIALS else None

    def to_json(self) -> str:
        vocabulary = {word: number for number, word in enumerate(self.tokens())}
        model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": SPECIALS[UNK]}
        return json.dumps({**_FORM, "model": model}, ensure_ascii=False, indent=2)

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        ids, offsets = self.encode_lines(lines)
        return [ids[first : last - 1].tolist() for first, last in itertools.pairwise(offsets.tolist())]

    def encode_lines(self, lines: Sequence[str]) -> EncodedLines:
        return encode_lines(self._table, lines, UNK, EOS)

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(self._table.words(np.array([i for i in ids if i not in (PAD, SOS, EOS)], np.int64)))

    def token(self, token_id: int) -> str:
        return swap_lookalikes(self._table.words(np.array([token_id]))[0])

    def tokens(self) -> list[str]:
        return [swap_lookalikes(word) for word in self._table.words(np.arange(self.vocab_size))]

    def with_words(self, words: Iterable[str], most: int) -> WordTokenizer:
        known = dict.fromkeys(self.tokens())
        for word in words:
            if len(known) >= most:
                break
            known.setdefault(word)
        return WordTokenizer(list(known))


def _frequencies(words: Sequence[str], lines: Iterable[str]) -> NDArray[np.int64]:
    """(words,): how often each stands in the lines."""
    counter = WordCounter()
    counter.add(list(lines))
    counts = counter.counts()
    return np.array([counts.get(word, 0) for word in words], np.int64)
