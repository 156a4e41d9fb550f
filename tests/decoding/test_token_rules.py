"""Rules about what may follow what was written, of one distribution and in whole searches."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import seqloom
from seqloom.data.tokenizer import EOS
from seqloom.decoding.sampling import Sampling
from seqloom.decoding.search_options import Constraints, Search
from seqloom.decoding.token_rules import Forbidden, TokenRules
from seqloom.decoding.transduce import transduce
from seqloom.errors import RequestError
from tests.support.pairs import shared_pairs_run
from tests.support.table_model import TableModel, random_sources

VOCAB = 9


@pytest.fixture(scope="module")
def pairs_run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_pairs_run(tmp_path_factory, model="gru", updates=2)


def banned(rules: TokenRules, history: list[int]) -> set[int]:
    log_probs = torch.full((1, 1, VOCAB), -1.0)
    rules.apply(log_probs, torch.tensor(history, dtype=torch.long).view(1, 1, -1), EOS)
    return set(torch.nonzero(log_probs[0, 0] == -torch.inf).flatten().tolist())


@settings(max_examples=50)
@given(history=st.lists(st.integers(4, VOCAB - 1), max_size=8), n=st.integers(1, 3))
def test_what_would_repeat_an_ngram_is_banned(history: list[int], n: int) -> None:
    ngrams = {tuple(history[i : i + n]) for i in range(len(history) - n + 1)}
    expected = {token for token in range(4, VOCAB) if (*history[len(history) - n + 1 :], token) in ngrams}
    assert banned(TokenRules(no_repeat_ngrams=n), history) == expected


def test_a_forbidden_sequence_is_not_completed() -> None:
    sequences = ((5,), (6, 7), (4, 4, 8))
    for history, expected in (([], {5}), ([6], {5, 7}), ([7, 4, 4], {5, 8}), ([4, 4, 7], {5})):
        both = torch.tensor([history, history], dtype=torch.long)[:, None]
        log_probs = Forbidden.of([sequences, ()], both.device).apply(torch.full((2, 1, VOCAB), -1.0), both)
        assert set(torch.nonzero(log_probs[0, 0] == -torch.inf).flatten().tolist()) == expected
        assert (log_probs[1] == -1.0).all()


def test_the_penalty_is_for_what_occurred() -> None:
    log_probs = torch.full((1, 1, VOCAB), -1.0)
    TokenRules(repetition_penalty=2.0).apply(log_probs, torch.tensor([[[4, 4, 6, EOS]]]), EOS)
    assert log_probs[0, 0].tolist() == [-2.0 if token in (4, 6) else -1.0 for token in range(VOCAB)]


@pytest.mark.parametrize(
    "search",
    [Search(1), Search(4, n_best=3), Search(n_best=3, sampling=Sampling())],
    ids=["greedy", "beam", "sampling"],
)
def test_no_search_breaks_a_rule(search: Search) -> None:
    """Hypotheses of a beam have histories of their own."""
    rules, forbidden = TokenRules(no_repeat_ngrams=2), [Constraints(forbidden=((5, 6), (7,)))] * 8
    ruled = Search(**{**vars(search), "rules": rules, "min_ratio": 1.5, "max_length": 12})
    sources = random_sources(3, 8)
    for source, found in zip(sources, transduce(TableModel(VOCAB), sources, ruled, forbidden), strict=True):
        for hypothesis in found:
            ids = hypothesis.token_ids
            pairs = list(itertools.pairwise(ids))
            assert 7 not in ids
            assert (5, 6) not in pairs
            assert len(set(pairs)) == len(pairs)
            assert len(ids) >= min(int(1.5 * (len(source) - 1)), 11)


def test_rules_that_forbid_nothing_change_nothing() -> None:
    sources, model = random_sources(3, 8), TableModel(VOCAB)
    plain = list(transduce(model, sources, Search(3)))
    ruled = list(transduce(model, sources, Search(3), [Constraints(forbidden=((4,) * 60,))] * 8))
    assert [[h.token_ids for h in found] for found in plain] == [[h.token_ids for h in found] for found in ruled]
    assert [[h.score for h in found] for found in plain] == [pytest.approx([h.score for h in found]) for found in ruled]


def test_a_translator_does_not_write_what_is_forbidden(pairs_run: seqloom.Run) -> None:
    (plain,) = pairs_run.predict(["a b c d"], max_length=30, min_ratio=1.0)
    first = plain.split()[0]
    for answers in pairs_run.answers(
        ["a b c d"], forbid=[first], n_best=3, no_repeat_ngrams=2, max_length=30, min_ratio=1
    ):
        for answer in answers:
            assert first not in answer.text.split()
            pairs = list(itertools.pairwise(answer.text.split()))
            assert len(set(pairs)) == len(pairs)
    with pytest.raises(RequestError, match="empty"):
        pairs_run.answers(["a"], forbid=[" "])
    assert pairs_run.predict(["a b"], forbid=["unheard"]) == pairs_run.predict(["a b"])


@pytest.mark.parametrize("options", [{"no_repeat_ngrams": -1}, {"min_ratio": -1.0}, {"max_ratio": 1e308}])
def test_rules_out_of_range(options: dict[str, float], pairs_run: seqloom.Run) -> None:
    with pytest.raises(RequestError, match="out of range"):
        pairs_run.answers(["a b"], **options)  # type: ignore[arg-type]


def test_a_translator_repeats_itself_less(pairs_run: seqloom.Run) -> None:
    def repeats(penalty: float) -> int:
        (text,) = pairs_run.predict(["a b c d"], max_length=12, min_ratio=2.0, repetition_penalty=penalty)
        return len(text.split()) - len(set(text.split()))

    assert repeats(100.0) < repeats(1.0)
    with pytest.raises(RequestError, match="repetition_penalty is out of range"):
        pairs_run.answers(["a"], repetition_penalty=0.5)


def test_terms_of_each_line(pairs_run: seqloom.Run) -> None:
    """Each line is answered as if it were the only one, with its own terms and those of all lines."""
    lines = ["a b c d", "a b c d", "d", "e f"]
    inputs = [
        {"source": lines[0], "require": ["f a", "c"]},
        lines[1],
        {"source": lines[2], "forbid": ["d"]},
        {"source": lines[3], "require": ["b"], "forbid": ["c"]},
    ]
    answers = pairs_run.predict(inputs, max_length=12, forbid=["e"])
    alone = [pairs_run.predict([item], max_length=12, forbid=["e"])[0] for item in inputs]
    assert answers == alone
    assert answers[1] == pairs_run.predict(lines[1:2], max_length=12, forbid=["e"])[0]
    assert "f a" in answers[0]
    assert "c" in answers[0]
    assert "d" not in answers[2]
    assert "b" in answers[3]
    assert "c" not in answers[3]
    assert all("e" not in answer for answer in answers)


@pytest.mark.parametrize(
    ("item", "what"),
    [
        ({"source": "a", "need": ["b"]}, "no key of an input named 'need'"),
        ({"require": ["b"]}, "an input is a text"),
        ({"source": "a", "require": "b"}, "terms are a list of texts"),
        ({"source": "a", "require": ["unheard"]}, "cannot generate a term"),
    ],
)
def test_inputs_with_terms_are_checked(pairs_run: seqloom.Run, item: dict[str, object], what: str) -> None:
    with pytest.raises(RequestError, match=what) as refused:
        pairs_run.answers(["a", item])
    assert str(refused.value.where).startswith("input 2")
