"""Compiled words against the tokenizers library: the same vocabulary and the same ids, whatever the text."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest

from seqloom.data import tokenizer as module
from seqloom.data.tokenizer import Tokenizer, TokenizerSettings
from seqloom.data.words import WordCounter, WordTable, encode_lines

ALPHABET = "ab\u00e9 \u00a0\u3000\u2028\u1680\x85\x1c\tß語"
lines_of_text = st.lists(
    st.text(ALPHABET, max_size=30) | st.sampled_from(["<unk> a", "a <eos> b", "<pad>"]), min_size=1, max_size=90
)


@hypothesis.given(lines=lines_of_text, size=st.sampled_from([0, 6, 12]), min_count=st.integers(0, 2))
def test_the_library_does_the_same(lines: list[str], size: int, min_count: int) -> None:
    settings = TokenizerSettings(vocab_size=size, min_count=min_count)
    with pytest.MonkeyPatch.context() as patch:
        ours = Tokenizer.train(lines, settings)
        encoded = ours.encode_lines(lines)
        patch.setattr(module, "_splits_at_blanks", lambda inner: False)  # noqa: ARG005
        theirs = Tokenizer.train(lines, settings)
        assert ours.to_json() == theirs.to_json()
        same = theirs.encode_lines(lines)
    assert encoded.ids.tolist() == same.ids.tolist()
    assert encoded.offsets.tolist() == same.offsets.tolist()


def test_many_words_and_long_ones() -> None:
    words = [f"word{i}" * (1 + 500 * (i % 999 == 0)) for i in range(20_000)]
    counter = WordCounter()
    for start in range(0, len(words), 3_000):
        counter.add([" ".join(words[start : start + 3_000]), words[0]])
    assert counter.counts() == {word: 1 + 7 * (word == words[0]) for word in words}
    ids, offsets = encode_lines(WordTable.of(words), [" ".join(words), "", "none"], unknown=77, end=88)
    assert ids.tolist() == [*range(20_000), 88, 88, 77, 88]
    assert offsets.tolist() == [0, 20_001, 20_002, 20_004]
