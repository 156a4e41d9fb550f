"""Compiled words against the tokenizers library: the same vocabulary and the same ids, whatever the text."""

from __future__ import annotations

import json

import hypothesis
import hypothesis.strategies as st
import pytest

from seqloom.data import library_tokenizer, tokenizer
from seqloom.data.library_tokenizer import LibraryTokenizer
from seqloom.data.tokenizer import TokenizerSettings, WordTokenizer
from seqloom.data.word_table import WordCounter, WordTable, encode_lines

ALPHABET = "ab\u00e9 \u00a0\u3000\u2028\u1680\x85\x1c\tß語"
lines_of_text = st.lists(
    st.text(ALPHABET, max_size=30) | st.sampled_from(["<unk> a", "a <eos> b", "<pad>"]), min_size=1, max_size=90
).map(lambda lines: ["b b", *lines])


@hypothesis.given(lines=lines_of_text, size=st.sampled_from([0, 6, 12]), min_count=st.integers(0, 2))
def test_the_library_does_the_same(lines: list[str], size: int, min_count: int) -> None:
    settings = TokenizerSettings(vocab_size=size, min_count=min_count)
    ours, theirs = WordTokenizer.train(lines, settings), LibraryTokenizer.train(lines, settings)
    assert ours.to_json() == theirs.to_json()
    encoded, same = ours.encode_lines(lines), theirs.encode_lines(lines)
    assert encoded.ids.tolist() == same.ids.tolist()
    assert encoded.offsets.tolist() == same.offsets.tolist()
    ids = ours.encode(lines)
    assert ids == theirs.encode(lines)
    assert [ours.decode(row) for row in ids] == [theirs.decode(row) for row in ids]
    assert ours.tokens() == theirs.tokens()
    assert ours.with_words(["a", "new", "b"], 9).to_json() == theirs.with_words(["a", "new", "b"], 9).to_json()
    again = WordTokenizer.parsed(json.loads(theirs.to_json()))
    assert again is not None
    assert again.to_json() == ours.to_json()


@hypothesis.given(lines=lines_of_text)
def test_ids_are_ranked_by_the_beginning_of_the_text(lines: list[str]) -> None:
    settings = TokenizerSettings(min_count=1)
    with pytest.MonkeyPatch.context() as patch:
        for module in (library_tokenizer, tokenizer):
            patch.setattr(module, "LINES_TO_RANK_BY", 4)
        ours, theirs = WordTokenizer.train(lines, settings), LibraryTokenizer.train(lines, settings)
        again, same = (kind.train(lines, settings, lines[3:5]) for kind in (WordTokenizer, LibraryTokenizer))
    assert ours.to_json() == theirs.to_json()
    assert again.to_json() == same.to_json()


def test_many_words_and_long_ones() -> None:
    words = [f"word{i}" * (1 + 500 * (i % 999 == 0)) for i in range(20_000)]
    counter = WordCounter()
    for start in range(0, len(words), 3_000):
        counter.add([" ".join(words[start : start + 3_000]), words[0]])
    assert counter.counts() == {word: 1 + 7 * (word == words[0]) for word in words}
    ids, offsets = encode_lines(WordTable.of(words), [" ".join(words), "", "none"], unknown=77, end=88)
    assert ids.tolist() == [*range(20_000), 88, 88, 77, 88]
    assert offsets.tolist() == [0, 20_001, 20_002, 20_004]
