"""Text to ids and back: four kinds, the specials at 0 to 3, the others in order of falling frequency."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqloom.data.text_codec import load_tokenizer, train_tokenizer
from seqloom.data.tokenizer import EOS, PAD, SOS, SPECIALS, UNK, Tokenizer, TokenizerSettings, swap_lookalikes
from seqloom.errors import RequestError, SeqloomError

KINDS = ["character", "word", "bpe", "unigram"]
TEXT = ["the cat saw the dog", "the dog saw a rat", "a rat ate the cat", "naïve Ünder 語 x"] * 5
ANY_LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"))


def trained(kind: str, text: list[str] = TEXT, **settings: object) -> Tokenizer:
    return train_tokenizer(text, TokenizerSettings(kind=kind, **settings))  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return trained(request.param)


def test_the_specials_stand_first(tokenizer: Tokenizer) -> None:
    assert tuple(tokenizer.tokens()[:4]) == SPECIALS
    assert len(set(tokenizer.tokens())) == tokenizer.vocab_size


def test_ids_stand_in_order_of_falling_frequency(tokenizer: Tokenizer) -> None:
    counts = [0] * tokenizer.vocab_size
    for ids in tokenizer.encode(TEXT):
        for i in ids:
            counts[i] += 1
    assert counts[4:] == sorted(counts[4:], reverse=True)
    assert sum(counts[4:]) > 0


def test_decoding_gives_the_text_back(tokenizer: Tokenizer) -> None:
    assert [tokenizer.decode(ids) for ids in tokenizer.encode(TEXT)] == TEXT


def test_a_saved_tokenizer_is_the_same(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = load_tokenizer(tmp_path / "tokenizer.json")
    assert loaded.tokens() == tokenizer.tokens()
    assert loaded.encode(TEXT) == tokenizer.encode(TEXT)
    assert loaded.separates_words == tokenizer.separates_words
    assert loaded.to_json() == tokenizer.to_json()


@pytest.mark.parametrize("kind", ["character", "word", "bpe"])  # the library's unigram trainer is not reproducible
def test_training_twice_gives_the_same(kind: str) -> None:
    assert trained(kind).to_json() == trained(kind).to_json()


_bpe, _unigram = trained("bpe"), trained("unigram", TEXT * 5)
_character = trained("character", [*TEXT, "abcdefghij"] * 2)
_words = trained("word", min_count=1)
_known_characters = st.text(st.sampled_from([name for name in _character.tokens() if len(name) == 1]))
_known_words = st.lists(st.sampled_from([swap_lookalikes(name) for name in _words.tokens()[4:]])).map(" ".join)


@pytest.mark.parametrize("pieces", [_bpe, _unigram], ids=["bpe", "unigram"])
@given(
    ANY_LINE
    | st.text(st.sampled_from(" \u2581<eos>pad\t"))
    | st.lists(st.sampled_from(["<unk>", " ", "a"])).map("".join)
)
def test_pieces_give_any_text_back(pieces: Tokenizer, line: str) -> None:
    (ids,) = pieces.encode([line])
    assert pieces.decode(ids) == line
    assert UNK not in ids or "<unk>" in line
    assert not {PAD, SOS, EOS} & set(ids)


@given(_known_characters, _known_words)
def test_known_characters_and_words_come_back(characters: str, words: str) -> None:
    assert _character.decode(_character.encode([characters])[0]) == characters
    assert _words.decode(_words.encode([words])[0]) == words


LOOKALIKES = ["<pad> a <eos> b <sos> a <eos>", "a <pad> <sos> b"] * 9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", [{}, {"lowercase": True}], ids=["as it is", "lowercase"])
def test_words_that_look_like_special_tokens_are_words(kind: str, settings: dict[str, bool], tmp_path: Path) -> None:
    """Known, unknown and never the special tokens themselves, before and after saving."""
    tokenizer, other = trained(kind, LOOKALIKES, **settings), trained(kind, **settings)
    for made in (tokenizer, other):
        made.save(tmp_path / "tokenizer.json")
        assert load_tokenizer(tmp_path / "tokenizer.json").encode(LOOKALIKES) == made.encode(LOOKALIKES)
        assert not {PAD, SOS, EOS} & {i for ids in made.encode(LOOKALIKES) for i in ids}
        assert made.tokens()[:4] == list(SPECIALS)
        assert len(set(made.tokens())) == made.vocab_size
    assert [tokenizer.decode(ids) for ids in tokenizer.encode(LOOKALIKES)] == LOOKALIKES


@pytest.mark.parametrize("kind", KINDS)
def test_no_frequent_token_is_refused(kind: str) -> None:
    if kind in ("bpe", "unigram"):
        return  # which hold every byte, whatever the text
    with pytest.raises(RequestError, match="frequent enough") as caught:
        trained(kind, ["abc def"], min_count=5)
    assert (caught.value.where, caught.value.got) == ("tokenizer.min_count", 5)


@given(ANY_LINE)
def test_a_character_is_a_token(line: str) -> None:
    (ids,) = _character.encode([line])
    assert [_character.token(i) for i in ids] == [c if c in _character.tokens() else "<unk>" for c in line]


def test_words_are_what_blanks_part() -> None:
    tokenizer = trained("word")
    (ids,) = tokenizer.encode(["the  cat\tzebra "])
    assert [tokenizer.token(i) for i in ids] == ["the", "cat", "<unk>"]
    assert tokenizer.decode(ids) == "the cat <unk>"


def test_rare_words_become_unknown() -> None:
    text = ["common common rare"]
    assert "rare" not in trained("word", text).tokens()
    assert "rare" in trained("word", text, min_count=1).tokens()
    assert trained("word", ["a a a b b"], min_count=3).tokens() == [*SPECIALS, "a"]


@pytest.mark.parametrize("kind", ["word", "unigram"])
def test_a_text_with_its_own_unknowns_keeps_its_rare_words(kind: str) -> None:
    """As the Penn Treebank files are: `<unk>` is the special token, and all that is not it stays."""
    tokenizer = trained(kind, ["the <unk> saw a <unk>", "the <unk> of once"] * (1 if kind == "word" else 10))
    assert tokenizer.tokens().count("<unk>") == 1
    if kind == "word":
        assert "once" in tokenizer.tokens()
        assert tokenizer.encode(["the <unk> zebra"])[0][1:] == [UNK, UNK]
        assert tokenizer.decode(tokenizer.encode(["the <unk> saw"])[0]) == "the <unk> saw"


@pytest.mark.parametrize("kind", KINDS)
def test_lowercasing_makes_one_of_two(kind: str) -> None:
    tokenizer = trained(kind, ["The THE the cat Cat"] * 5, lowercase=True)
    assert tokenizer.encode(["THE Cat"]) == tokenizer.encode(["the cat"])
    assert tokenizer.decode(tokenizer.encode(["THE Cat"])[0]) == "the cat"


@pytest.mark.parametrize("kind", ["character", "word"])
def test_the_vocabulary_is_no_larger_than_asked(kind: str) -> None:
    tokenizer = trained(kind, vocab_size=9)
    assert tokenizer.vocab_size == 9
    assert trained(kind, vocab_size=6).tokens() == tokenizer.tokens()[:6]


@pytest.mark.parametrize(("kind", "size"), [("word", 4), ("character", 1), ("bpe", 4), ("bpe", 259), ("unigram", 259)])
def test_a_vocabulary_with_no_room_is_refused(kind: str, size: int) -> None:
    with pytest.raises(RequestError) as caught:
        trained(kind, vocab_size=size)
    assert caught.value.where == "tokenizer.vocab_size"
    assert caught.value.got == size


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_is_refused(kind: str) -> None:
    with pytest.raises(SeqloomError, match="no text"):
        trained(kind, [])


@pytest.mark.parametrize("content", [None, "not json", "{}"])
def test_a_broken_file_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RequestError) as caught:
        load_tokenizer(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_the_special_tokens_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    trained(kind).save(path)
    path.write_text(path.read_text(encoding="utf-8").replace('"<unk>"', '"<other>"'), encoding="utf-8")
    with pytest.raises(RequestError, match="could not be read"):
        load_tokenizer(path)


def test_a_stream_is_read_once() -> None:
    assert train_tokenizer(iter(TEXT), TokenizerSettings()).tokens() == trained("word").tokens()


def test_a_file_over_which_the_library_panics_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    train_tokenizer(["a cat, a cat"] * 9, TokenizerSettings(kind="bpe", vocab_size=270)).save(path)
    description = json.loads(path.read_text())
    assert description["model"]["merges"]
    description["model"]["continuing_subword_prefix"] = "longer than every token"
    path.write_text(json.dumps(description))
    with pytest.raises(RequestError, match="could not be read"):
        load_tokenizer(path)
