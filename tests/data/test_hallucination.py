"""Hallucinated pairs: random letters in what a target copies, the same on both sides, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seqloom.data.batches import Loader
from seqloom.data.corpus import Sources, prepare
from seqloom.data.hallucination import Hallucination, copied_stems
from seqloom.data.pairs import PairTokenizerSettings, learn_tokenizers
from seqloom.data.readers.pairs import Pair
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, Tokenizer
from seqloom.errors import RequestError
from seqloom.run.plan import make_settings
from seqloom.tasks import tasks
from tests.support.pairs import train_pairs

TAGS = ["pos=V", "tense=PST", "num=PL"]
VERBS = [("kaufen", "kaufte"), ("machen", "gemacht"), ("tun", "tat"), ("aalen", "aalen"), ("stehlen", "gestohlen")]


class Letters(NamedTuple):
    """Inflected words as data, and what changes their stems."""

    tokenizers: tuple[Tokenizer, Tokenizer]
    files: tuple[TokenFile, TokenFile]
    hallucination: Hallucination

    def drawn(self, epoch: int = 0, step: int = 0) -> list[tuple[str, str]]:
        numbers = np.arange(self.files[0].num_lines)
        rows = self.hallucination(numbers, *(side.rows(numbers) for side in self.files), epoch, step)
        texts = (map(side.decode, lines) for side, lines in zip(self.tokenizers, rows, strict=True))
        return list(zip(*texts, strict=True))


def letters_of(
    inflected: list[tuple[str, str]], share: float = 1.0, seed: int = 1, shared: bool = True, tags: list[str] = TAGS
) -> Letters:
    pairs = [Pair(" ".join([*tags, *lemma]), " ".join(form)) for lemma, form in inflected]
    codec = learn_tokenizers(lambda: pairs, PairTokenizerSettings(kind="word", min_count=1, shared=shared))
    tokenizers = codec.source, codec.target
    files = tuple(
        token_file(side.encode(texts)) for side, texts in zip(tokenizers, zip(*pairs, strict=True), strict=True)
    )
    return Letters(tokenizers, files, Hallucination(*files, tokenizers, share, seed))


def token_file(rows: list[list[int]]) -> TokenFile:
    ids = np.array([number for row in rows for number in (*row, EOS)], np.uint16)
    return TokenFile(ids, np.cumsum([0, *(len(row) + 1 for row in rows)]), 0, 0)


words = st.text(st.sampled_from("abcdefgh"), min_size=1, max_size=9)


@given(
    inflected=st.lists(
        st.builds(lambda stem, old, start, new: (stem + old, start + stem + new), words, words, words, words),
        min_size=1, max_size=5,
    ).map(lambda pairs: [*pairs, ("kaufen", "kaufte")]),
    shared=st.booleans(),
)  # fmt: skip
def test_only_what_is_copied_changes_and_on_both_sides_alike(inflected: list[tuple[str, str]], shared: bool) -> None:
    data = letters_of(inflected, shared=shared)
    of_stems: set[str] = set()
    drawn = data.drawn()
    for (lemma, form), (source, target) in zip(inflected, drawn, strict=True):
        assert source.split()[: len(TAGS)] == TAGS
        new_lemma, new_form = "".join(source.split()[len(TAGS) :]), "".join(target.split())
        assert (len(new_lemma), len(new_form)) == (len(lemma), len(form))
        copied_from, copied_to = set(), set()
        for in_source, in_target, size in copied_stems(lemma, form):
            assert size >= 1
            stem = lemma[in_source : in_source + size]
            assert lemma[in_source : in_source + size + 2] == form[in_target : in_target + size + 2]
            assert new_lemma[in_source : in_source + size] == new_form[in_target : in_target + size]
            copied_from |= set(range(in_source, in_source + size))
            copied_to |= set(range(in_target, in_target + size))
            of_stems |= set(stem)
        for old, new, copied in ((lemma, new_lemma, copied_from), (form, new_form, copied_to)):
            assert all(i in copied or old[i] == new[i] for i in range(len(old)))
    changed = (
        letter
        for pair, (source, _) in zip(inflected, drawn, strict=True)
        for old, letter in zip(pair[0], source.split()[len(TAGS) :], strict=True)
        if old != letter
    )
    assert set(changed) <= of_stems


def test_stems_are_the_longest_copies_but_for_their_ends() -> None:
    assert [
        [form[to : to + size] for _, to, size in copied_stems(lemma, form)]
        for lemma, form in [*VERBS, ("abschreiben", "schriebenab"), ("einkaufen", "einzukaufen")]
    ] == [["ka"], ["ma"], [], ["aal"], ["hl"], ["sc", "b"], ["e", "kauf"]]


def test_tags_like_letters_stay() -> None:
    """Features that are no token of a target are never taken for a stem, whatever their order."""
    data = letters_of([("kaufen", "kaufte")] * 20, tags=["+", "a=", "V;PST"])
    assert {tuple(source.split()[:3]) for source, _ in data.drawn()} == {("+", "a=", "V;PST")}
    assert {target.split()[-2:] == ["t", "e"] for _, target in data.drawn()} == {True}


def test_the_draw_follows_from_seed_epoch_and_step() -> None:
    keys = [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1)]
    drawn = [letters_of(VERBS, seed=seed).drawn(epoch, step) for seed, epoch, step in keys]
    assert drawn[0] == letters_of(VERBS).drawn()
    assert len({str(pairs) for pairs in drawn}) == len(keys)


def test_a_share_of_the_pairs_changes() -> None:
    data, same = letters_of([("abschreiben", "abschreibt")] * 2_000, share=0.25), " ".join([*TAGS, *"abschreiben"])
    assert 0.2 < sum(source != same for source, _ in data.drawn()) / 2_000 < 0.3


def test_letters_are_drawn_as_often_as_stems_have_them() -> None:
    data = letters_of([("aaabxx", "aaabxxy")] * 2_000, tags=[])
    letters = "".join(target for _, target in data.drawn()).replace(" ", "")
    assert 0.2 < letters.count("b") / (4 * 2_000) < 0.3


def test_batches_of_training_alone_are_changed(tmp_path: Path) -> None:
    """A loader made anew, as a resumed run makes it, gives the same batches from any step on."""
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"V{i % 7} {' '.join(a)}\t{' '.join(b)}\n" for a, b in VERBS for i in range(20)))
    task = tasks["translate"]

    def loaders(share: float) -> tuple[Loader, Loader]:
        given = {"tokenizer.min_count": 1, "data.tokens_per_batch": 60, "data.hallucinate": share}
        set_up = make_settings("translate", "gru", given)
        corpus = prepare(Sources(str(path)), task.recipe(set_up), tmp_path / "cache")
        return task.train_loader(corpus, set_up, 3), task.exact_loader(corpus.valid, set_up)

    def batches(loader: Loader) -> list[list[list[int]]]:
        made = (loader.batch(2, step) for step in reversed(range(loader.num_steps(2))))
        return [[*batch.targets.tolist(), *cast(Tensor, batch.source).tolist()] for batch in made]

    (train, valid), (again, _), (plain, plain_valid) = loaders(0.9), loaders(0.9), loaders(0.0)
    again.batch(0, 0)
    assert batches(train) == batches(again) != batches(plain)
    assert batches(valid) == batches(plain_valid)


@pytest.mark.parametrize(
    ("tokenizer", "what"),
    [
        ({"kind": "word"}, "no target copies 3 tokens"),
        ({"kind": "bpe", "vocab_size": 280}, "a stem consists of letters"),
    ],
)
def test_pairs_without_a_stem_are_refused(tmp_path: Path, tokenizer: dict[str, object], what: str) -> None:
    (tmp_path / "pairs.tsv").write_text("".join(f"good day, {i}\tguten Tag, {i}\n" for i in range(40)))
    settings = {"tokenizer__min_count": 0, **{f"tokenizer__{name}": value for name, value in tokenizer.items()}}
    with pytest.raises(RequestError, match=what) as refused:
        train_pairs(tmp_path / "run", model="gru", updates=1, data__hallucinate=0.5, **settings)
    assert refused.value.where == "data.hallucinate"
