"""Tokenizers from elsewhere divide texts as they did; their vocabulary begins with the special tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

import seqloom
from seqloom.data.library_tokenizer import LibraryTokenizer
from seqloom.data.text_codec import train_tokenizer
from seqloom.data.tokenizer import SPECIALS, UNK, TokenizerSettings
from seqloom.errors import RequestError
from tests.support.pairs import train_pairs
from tests.support.small_runs import train_small

LINES = ["the lowest lower low newer newest wider", "a slower low-lying river is slowly wider"] * 20


def made_elsewhere(kind: str) -> tokenizers.Tokenizer:
    """A tokenizer as other libraries save it, with special tokens of its own."""
    special = ["[PAD]", "[UNK]", "[CLS]", "<pad>"]
    if kind == "bpe":
        inner = tokenizers.Tokenizer(models.BPE())
        inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    elif kind == "wordpiece":
        inner = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
        inner.normalizer, inner.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        inner.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(vocab_size=60, special_tokens=special)
    elif kind == "unigram":
        inner = tokenizers.Tokenizer(models.Unigram())
        inner.pre_tokenizer, inner.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=50, special_tokens=["</s>", "<unk>"], unk_token="<unk>")
    else:
        inner = tokenizers.Tokenizer(models.WordLevel(unk_token="[UNK]"))
        inner.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.WordLevelTrainer(special_tokens=special)
    inner.train_from_iterator(LINES, trainer)
    if kind == "wordpiece":
        inner.post_processor = processors.BertProcessing(("[CLS]", 2), ("[PAD]", 0))
    return inner


@pytest.fixture(params=["bpe", "wordpiece", "unigram", "words"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> tokenizers.Tokenizer:
    inner = made_elsewhere(request.param)
    inner.save(str(tmp_path / "tokenizer.json"))
    return inner


def test_texts_are_divided_as_before(elsewhere: tokenizers.Tokenizer, tmp_path: Path) -> None:
    adopted = train_tokenizer(LINES, TokenizerSettings(file=str(tmp_path / "tokenizer.json")))
    assert tuple(adopted.tokens()[:4]) == SPECIALS
    again = LibraryTokenizer.parsed(json.loads(adopted.to_json()))
    names = {"[UNK]": "<unk>"}
    for text in [*LINES[:2], "newest river", "unheard-of zebra <pad>", ""]:
        expected = elsewhere.encode(text, add_special_tokens=False)
        (ids,) = adopted.encode([text])
        tokens = [names.get(token, token) for token in expected.tokens]
        shown = [adopted.token(i).strip() if adopted.token(i) == " <pad>" else adopted.token(i) for i in ids]
        if isinstance(elsewhere.model, models.Unigram):  # it names an unknown token by its text
            shown = [token if i != UNK else "?" for token, i in zip(shown, ids, strict=True)]
            unknown = elsewhere.token_to_id("<unk>")
            tokens = [t if i != unknown else "?" for t, i in zip(tokens, expected.ids, strict=True)]
        if "<pad>" not in text:
            assert shown == tokens
        assert again.encode([text]) == [ids]
        assert all(i not in (0, 2, 3) for i in ids)
    assert adopted.decode(adopted.encode([LINES[1]])[0]) == elsewhere.decode(elsewhere.encode(LINES[1]).ids)
    assert adopted.vocab_size <= elsewhere.get_vocab_size() + 4


@pytest.mark.usefixtures("elsewhere")
def test_frequent_tokens_come_first(tmp_path: Path) -> None:
    """The adaptive softmax relies on it."""
    adopted = train_tokenizer(LINES, TokenizerSettings(file=str(tmp_path / "tokenizer.json")))
    counts = [0] * adopted.vocab_size
    for ids in adopted.encode(LINES):
        for i in ids:
            counts[i] += 1
    assert counts[4:] == sorted(counts[4:], reverse=True)


def test_runs_hold_their_tokenizer(tmp_path: Path) -> None:
    """The file may be moved after the training."""
    path = tmp_path / "tokenizer.json"
    made_elsewhere("bpe").save(str(path))
    run = train_small(tmp_path / "run", updates=2, tokenizer__file=str(path))
    pairs = train_pairs(tmp_path / "pairs", model="gru", updates=2, tokenizer__file=str(path), data__bpe_dropout=0.1)
    scores, answers = run.score(["the lowest"]), pairs.predict(["a b"])
    path.unlink()
    assert seqloom.load(run.folder).score(["the lowest"]) == scores
    assert seqloom.load(pairs.folder).predict(["a b"]) == answers


def test_a_tokenizer_of_a_run_can_be_used_again(tmp_path: Path) -> None:
    first = train_small(tmp_path / "first", updates=1, tokenizer__kind="bpe", tokenizer__vocab_size=300)
    path = first.folder / "tokenizer.json"
    again = train_small(tmp_path / "again", updates=1, tokenizer__file=str(path))
    assert again.codec.tokenizer.encode(LINES[:1]) == first.codec.tokenizer.encode(LINES[:1])


@pytest.mark.parametrize("content", ["not JSON", "{}", '{"model": {"type": "Gpt"}}', None])
def test_files_that_are_no_tokenizers(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RequestError, match="the tokenizer could not be read"):
        train_tokenizer(LINES, TokenizerSettings(file=str(path)))


def test_a_target_tokenizer_alone(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="the source has no tokenizer"):
        train_pairs(tmp_path / "run", updates=1, tokenizer__target_file="tokenizer.json")
