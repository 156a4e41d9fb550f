"""ARPA files: written and read back, in the flavours of others, and broken ones refused with their line."""

from __future__ import annotations

import gzip
import itertools
import lzma
import re
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import torch

from seqloom.data.tokenizer import EOS, SOS
from seqloom.errors import RequestError, SeqloomError, SeqloomWarning
from seqloom.formats.arpa.read import read_model
from seqloom.formats.arpa.write import decimal, write_model
from seqloom.models.ngram.model import NgramModel, NgramSettings
from seqloom.models.ngram.store import Store
from seqloom.storage.arrays import write_arrays
from tests.support.small_texts import fitted, moby_dick, words_of

SRILM = r"""
made by hand

\data\
ngram 1=5
ngram 2=3
ngram 3=1

\1-grams:
-1.0	</s>
-99	<s>	-0.5
-0.7	a	-0.3
-0.5	b
-0.4	c	-0.25

\2-grams:
-0.2	<s> a	-0.1
-0.25	a b
-0.35	b c

\3-grams:
-0.15	<s> a b

\end\
"""


@pytest.mark.parametrize("name", ["model.arpa", "model.arpa.gz"])
def test_written_and_read_back(name: str, tmp_path: Path) -> None:
    tokens, words = words_of(moby_dick(300))
    model = fitted(tokens, len(words), order=4)
    write_model(model.store, words, tmp_path / name)
    again = read_model(tmp_path / name)
    assert again.tokens == words
    for field, array in model.store._asdict().items():
        np.testing.assert_allclose(getattr(again.store, field), array, atol=6e-8, rtol=1e-7, err_msg=field)


def test_lines_in_any_order_and_blanks_of_any_kind(tmp_path: Path) -> None:
    tokens, words = words_of(moby_dick(40))
    model = fitted(tokens, len(words), order=3)
    write_model(model.store, words, tmp_path / "one.arpa")
    parts = re.split(r"(?m)(?<=grams:\n)", (tmp_path / "one.arpa").read_text())
    shuffled = [parts[0], parts[1]]
    for part in parts[2:]:
        grams, blank, rest = part.partition("\n\n")
        shuffled.append("\n".join(reversed(grams.replace("\t", "  ").split("\n"))) + blank + rest)
    (tmp_path / "two.arpa").write_text("".join(shuffled).replace("\n", "\r\n"))
    for array, same in zip(read_model(tmp_path / "two.arpa").store, model.store, strict=True):
        np.testing.assert_allclose(array, same, atol=6e-8, rtol=1e-7)


def test_what_srilm_leaves_out(tmp_path: Path) -> None:
    """Back-off weights of 1 are not written, nor <unk>; where pruning took the end of an n-gram, nothing changes."""
    path = tmp_path / "model.arpa"
    path.write_text(SRILM.replace("-0.15	<s> a b", "-0.15	a b c").replace("-0.35	b c", "-0.35	c b"))
    arpa = read_model(path)
    model, ids = NgramModel.of(arpa.store), {word: i for i, word in enumerate(arpa.tokens)}
    a, b, c = ids["a"], ids["b"], ids["c"]

    def log10(context: list[int], word: int) -> float:
        log_probs, _ = model.next_log_probs(torch.tensor([context]), model.initial_state(1))
        return float(log_probs[0, word]) / np.log(10)

    assert log10([a, b], c) == pytest.approx(-0.15)
    assert log10([b], c) == pytest.approx(-0.4)  # `b c` stands for what backing off gives
    assert log10([a, b], a) == pytest.approx(-0.7)
    assert log10([SOS, a], b) == pytest.approx(-0.1 - 0.25)
    assert log10([SOS, a], EOS) == pytest.approx(-0.1 - 0.3 - 1.0)
    assert log10([SOS], c) == pytest.approx(-0.5 - 0.4)
    assert log10([c], 1) < -90, "there is no <unk>"


BROKEN = {
    "no data": ("\\data\\", "data", "not an ARPA file"),
    "a size too small": ("ngram 2=3", "ngram 2=2", "does not begin"),
    "a size too large": ("ngram 2=3", "ngram 2=4", "too few|not a number"),
    "a word too few": ("-0.25	a b", "-0.25	a", "too few words"),
    "a word too many": ("-0.25	a b", "-0.25	a b 0.1 c", "more fields than"),
    "no number": ("-0.25	a b", "-0.x5	a b", "not a number"),
    "an unknown word": ("-0.25	a b", "-0.25	a z", "not among"),
    "a unigram twice": ("-0.4	c	", "-0.4	b	", "twice"),
    "a bigram twice": ("-0.35	b c", "-0.35	a b", "twice"),
    "no end": ("\\end\\", "", "does not end"),
    "cut off": (SRILM[SRILM.index("-0.35") :], "", "missing"),
    "orders out of order": ("ngram 2=3\nngram 3=1", "ngram 3=1\nngram 2=3", "do not increase"),
    "a probability that is none": ("-0.25	a b", "nan	a b", "not a number"),
    "a probability above 1": ("-0.25	a b", "+5	a b", "above 0"),
    "a unigram above 1": ("-0.4	c	", "5	c	", "above 0"),
    "a unigram without a number": ("-0.4	c	", "nan	c	", "not a number"),
    "an infinite back-off": ("-0.2	<s> a	-0.1", "-0.2	<s> a	inf", "infinite"),
    "a size that no file has": ("ngram 3=1", "ngram 3=900000000000", "too many n-grams"),
    "a size that is wrong": ("ngram 3=1", "ngram 3=4000000000", "too few|not a number"),
    "no unigrams": ("ngram 1=5", "ngram 1=0", "numbers of n-grams"),
    "a line without an end": ("-0.25	a b", "-0.25	a b" + " " * (2 << 20), "too long"),
    "a special name": ("-0.4	c	", "-0.4	<pad>	", "special"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_files_name_their_line(fault: str, tmp_path: Path) -> None:
    before, after, message = BROKEN[fault]
    assert before in SRILM
    path = tmp_path / "model.arpa"
    path.write_text(SRILM.replace(before, after))
    with pytest.raises(SeqloomError, match=message) as raised:
        read_model(path)
    where = raised.value.where or ""
    assert where.startswith(f"{path}"), where
    if fault in ("a word too few", "no number", "an unknown word", "a word too many"):
        assert where == f"{path}:{SRILM[: SRILM.index(before)].count(chr(10)) + 1}"


@pytest.mark.parametrize(("suffix", "packed"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_compressed_file_that_is_cut_off(suffix: str, packed: Any, tmp_path: Path) -> None:
    path, whole = tmp_path / f"model.arpa{suffix}", packed(SRILM.encode())
    for size in (5, 30, 90, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(SeqloomError):
            read_model(path)


def arpa(*levels: list[str]) -> str:
    """Each n-gram with probability 10^-1 and back-off weight 10^-0.5."""
    header = "".join(f"ngram {n}={len(level)}\n" for n, level in enumerate(levels, 1))
    parts = (f"\\{n}-grams:\n" + "".join(f"-1\t{g}\t-0.5\n" for g in level) for n, level in enumerate(levels, 1))
    return "\\data\\\n" + header + "\n" + "\n".join(parts) + "\n\\end\\\n"


UNIGRAMS = ["<unk>", "<s>", "</s>", "a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    "levels",
    [
        (UNIGRAMS, ["a b"], ["a b c"], ["a b c d"]),
        (UNIGRAMS, [], [], ["a b c d"]),
        (UNIGRAMS, [], [], [], ["a b c d e", "e d c b a"]),
        (UNIGRAMS, ["d e"], [], ["a b c d", "b c d e"]),
        (UNIGRAMS, ["<unk> <unk>", "<unk> a"], ["<unk> a <unk>", "a b c"], ["<unk> a b c"]),
    ],
)
def test_missing_suffixes_and_prefixes_of_any_depth(levels: tuple[list[str], ...], tmp_path: Path) -> None:
    """As KenLM and SRILM read them: a missing n-gram has the probability of backing off to it."""
    path = tmp_path / "model.arpa"
    path.write_text(arpa(*levels))
    model = read_model(path)
    ids = {word: number for number, word in enumerate(model.tokens)}
    known = {tuple(gram.split()) for level in levels for gram in level}
    ngram = NgramModel.of(model.store)

    def expected(context: tuple[str, ...], word: str) -> float:
        if not context or (*context, word) in known:
            return -1.0
        return (-0.5 if context in known else 0.0) + expected(context[1:], word)

    for context in itertools.product(("a", "b", "c", "d", "<unk>"), repeat=3):
        state = ngram.initial_state(1)
        log_probs, _ = ngram.next_log_probs(torch.tensor([[ids[word] for word in context]]), state)
        for word in "abcde":
            assert float(log_probs[0, ids[word]]) / np.log(10) == pytest.approx(expected(context, word), abs=1e-5)
    ngram.save(tmp_path)
    assert NgramModel.of(type(model.store).open(tmp_path / "model.safetensors")).num_parameters()


@pytest.mark.parametrize("mark", ["<s>", "</s>"])
def test_a_model_without_marks_of_sentences_is_read_with_a_warning(mark: str, tmp_path: Path) -> None:
    """The end of every line would otherwise have probability 0 without a word."""
    path = tmp_path / "model.arpa"
    path.write_text(arpa([word for word in UNIGRAMS if word != mark]), encoding="utf-8-sig")
    with pytest.warns(SeqloomWarning, match=f"has no {mark}") as caught:
        assert len(read_model(path).tokens) == len(UNIGRAMS) + 1  # with <pad>
    assert len(caught) == 1


def test_a_damaged_store_is_refused(tmp_path: Path) -> None:
    tokens, words = words_of(moby_dick(30))
    store = fitted(tokens, len(words), order=3).store
    total = int(store.sizes.sum())
    damages: list[tuple[str, int, float]] = [
        ("words", total - 1, 2**31),
        ("suffix", total - 1, 2**32 - 1),
        ("suffix", int(store.sizes[0]), total - 1),
        ("begin", 5, 2**32 - 1),
        ("begin", 0, 0),
        ("begin", len(store.begin) - 1, 0),
        ("log_probs", 6, np.nan),
        ("log_probs", total - 1, 0.5),
        ("backoffs", 4, np.inf),
        ("sizes", 0, -4),
        ("sizes", 2, 2**40),
    ]
    for name, place, value in damages:
        arrays = {field: array.copy() for field, array in store._asdict().items()}
        arrays[name][place] = value
        write_arrays(tmp_path / "model.safetensors", arrays, {})
        with pytest.raises(SeqloomError, match="damaged"):
            Store.open(tmp_path / "model.safetensors")
    write_arrays(tmp_path / "model.safetensors", {**store._asdict(), "words": store.words.astype(np.int64)}, {})
    with pytest.raises(SeqloomError, match="not an n-gram model"):
        Store.open(tmp_path / "model.safetensors")


@hypothesis.given(
    edits=st.lists(st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=3)
)
def test_a_store_with_any_damage_scores_or_is_refused(
    edits: list[tuple[int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("store")
    tokens, words = words_of(moby_dick(4))
    fitted(tokens, len(words), order=3).save(folder)
    content = bytearray((folder / "model.safetensors").read_bytes())
    for place, new in edits:
        content[place : place + len(new)] = new
    (folder / "model.safetensors").write_bytes(content)
    model = NgramModel(NgramSettings(order=3))
    try:
        model.open(folder)
    except SeqloomError:
        return
    if model.store.vocab_size == len(words):
        model.line_scores(tokens.ids, tokens.offsets)
        model.next_log_probs(torch.tensor([[5, 6]]), model.initial_state(1))


@hypothesis.given(
    damage=st.text(alphabet="-0123456789.e \t\n\\abc<s>/unkdtgrm=:", max_size=120), place=st.integers(0, len(SRILM))
)
def test_any_damage_is_an_error_or_a_model(damage: str, place: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("arpa") / "model.arpa"
    path.write_text(SRILM[:place] + damage + SRILM[place + len(damage) :])
    try:
        store = read_model(path).store
    except SeqloomError:
        return
    assert len(store.words) == store.sizes.sum()


@hypothesis.given(st.floats(-200, 200, width=32))
def test_numbers_are_written_with_seven_decimals(number: float) -> None:
    out = np.zeros(32, np.uint8)
    text = bytes(out[: decimal(np.float32(number), out)]).decode()
    assert abs(float(text) - number) <= 5.1e-8
    assert not text.endswith((".", ".0"))


def test_words_that_would_look_the_same(tmp_path: Path) -> None:
    tokens, words = words_of(["a </s>", "b c"])
    with pytest.raises(RequestError, match="look the same"):
        write_model(fitted(tokens, len(words), order=2).store, words, tmp_path / "m.arpa")
