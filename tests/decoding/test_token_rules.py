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
from seqloom.decoding.search_options import Search
from seqloom.decoding.token_rules import TokenRules
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
    rules = TokenRules(forbidden=((5,), (6, 7), (4, 4, 8)))
    assert banned(rules, []) == {5}
    assert banned(rules, [6]) == {5, 7}
    assert banned(rules, [7, 4, 4]) == {5, 8}
    assert banned(rules, [4, 4, 7]) == {5}


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
    rules = TokenRules(forbidden=((5, 6), (7,)), no_repeat_ngrams=2)
    ruled = Search(**{**vars(search), "rules": rules, "min_ratio": 1.5, "max_length": 12})
    sources = random_sources(3, 8)
    for source, found in zip(sources, transduce(TableModel(VOCAB), sources, ruled), strict=True):
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
    ruled = list(transduce(model, sources, Search(3, rules=TokenRules(forbidden=((4,) * 60,)))))
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
