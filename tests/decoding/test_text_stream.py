"""Text as it comes is the text of all tokens together."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, trainers

from seqloom.data.library_tokenizer import LibraryTokenizer
from seqloom.data.text_codec import train_tokenizer
from seqloom.data.tokenizer import Tokenizer, TokenizerSettings
from seqloom_portable.continuation import TextStream

TEXT = ["It was only a cat, it was 語 語 naïve.", "only cats <eos> \u2581 was a 語"] * 20


def metaspace() -> Tokenizer:
    """As the unigram tokenizers of runs that were made before 0.2 are."""
    inner = tokenizers.Tokenizer(models.Unigram())
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    specials = ["<pad>", "<unk>", "<sos>", "<eos>"]
    trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=specials, unk_token="<unk>", show_progress=False)
    inner.train_from_iterator(TEXT, trainer)
    description = json.loads(inner.to_str())
    description["added_tokens"] = []
    return LibraryTokenizer.parsed(description)


TOKENIZERS = {
    kind: train_tokenizer(TEXT, TokenizerSettings(kind=kind))  # type: ignore[arg-type]
    for kind in ("character", "word", "bpe", "unigram")
} | {"metaspace": metaspace()}


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(data=st.data())
def test_prompt_and_answer_together(kind: str, data: st.DataObject) -> None:
    tokenizer = TOKENIZERS[kind]
    tokens = st.integers(4, tokenizer.vocab_size - 1)
    (prompt,) = tokenizer.encode([data.draw(st.sampled_from(["", "It was", "cat 語", *TEXT]))])
    answer = data.draw(st.lists(tokens, max_size=80))
    stream = TextStream(tokenizer, prompt)
    text = tokenizer.decode(prompt) + "".join(map(stream.add, answer))
    assert text == tokenizer.decode([*prompt, *answer]).rstrip("\ufffd")


def test_a_prompt_and_its_first_word_are_apart() -> None:
    """They were not: `It wasonly`."""
    for kind in ("word", "unigram", "metaspace"):
        (prompt,), (both,) = TOKENIZERS[kind].encode(["It was"]), TOKENIZERS[kind].encode(["It was only"])
        stream = TextStream(TOKENIZERS[kind], prompt)
        assert "".join(map(stream.add, both[len(prompt) :])) == " only"


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_the_work_grows_with_the_length(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It grew with its square: 9 s for 2,000 words."""
    tokenizer, decoded = TOKENIZERS[kind], 0
    decode = tokenizer.decode

    def counted(ids: Sequence[int]) -> str:
        nonlocal decoded
        decoded += len(ids)
        return decode(ids)

    monkeypatch.setattr(tokenizer, "decode", counted)
    counts = []
    for length in (1_000, 2_000):
        decoded = 0
        (ids,) = tokenizer.encode(["only cats was a 語 naïve " * length])
        stream = TextStream(tokenizer, [])
        for token in ids[:length]:
            stream.add(token)
        counts.append(decoded)
    assert counts[0] <= 32 * 1_000
    assert counts[1] <= 2.1 * counts[0]
