"""Groups of a beam: each is a beam search, and they avoid each other's tokens."""

from __future__ import annotations

import pytest

import seqloom
from seqloom.data.tokenizer import EOS
from seqloom.decoding.search_options import Search
from seqloom.decoding.transduce import transduce
from seqloom.errors import RequestError
from tests.support.pairs import shared_pairs_run
from tests.support.table_model import TableModel, random_sources

VOCAB = 9


@pytest.fixture(scope="module")
def pairs_run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_pairs_run(tmp_path_factory, model="gru+attention", updates=2)


def test_scores_are_those_of_the_model_and_answers_differ() -> None:
    model, search = TableModel(VOCAB), Search(6, n_best=6, diverse_groups=3, diversity=1.0)
    sources = random_sources(3, 8)
    for source, found in zip(sources, transduce(model, sources, search), strict=True):
        assert len({tuple(h.token_ids) for h in found}) == len(found)
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
        for hypothesis in found:
            tokens = [*hypothesis.token_ids, EOS] if hypothesis.ended else hypothesis.token_ids
            assert hypothesis.log_prob == pytest.approx(model.string_log_prob(source, tokens), rel=1e-4)


def test_without_a_penalty_all_groups_find_what_a_small_beam_finds() -> None:
    model, sources = TableModel(VOCAB), random_sources(3, 8)
    plain = transduce(model, sources, Search(2, n_best=2))
    groups = transduce(model, sources, Search(6, n_best=6, diverse_groups=3, diversity=0.0))
    for expected, found in zip(plain, groups, strict=True):
        assert [h.token_ids for h in found][: len(expected)] == [h.token_ids for h in expected]


def test_a_large_penalty_makes_first_tokens_differ() -> None:
    search = Search(4, n_best=4, diverse_groups=4, diversity=100.0, min_ratio=1.0)
    for found in transduce(TableModel(VOCAB), [[5, 6, 7, EOS]] * 2, search):
        assert len({h.token_ids[0] for h in found}) == 4


def test_more_diverse_than_a_plain_beam() -> None:
    model, sources = TableModel(30, sharpness=3.0), random_sources(3, 8)

    def distinct_beginnings(**options: float) -> int:
        search = Search(6, n_best=6, min_ratio=1.0, max_length=8, **options)  # type: ignore[arg-type]
        return sum(len({tuple(h.token_ids[:1]) for h in found}) for found in transduce(model, sources, search))

    assert distinct_beginnings(diverse_groups=6, diversity=2.0) > 1.5 * distinct_beginnings()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"diverse_groups": 2, "beam_size": 5}, "diverse_groups is out of range"),
        ({"diversity": 1.0}, "only groups of a beam are diverse"),
        ({"diverse_groups": 5, "sample": True}, "samples have no groups"),
        ({"diverse_groups": 5, "require": ["a"]}, "cannot be combined with groups"),
    ],
)
def test_what_cannot_be_combined(pairs_run: seqloom.Run, options: dict[str, object], what: str) -> None:
    with pytest.raises(RequestError, match=what):
        pairs_run.answers(["a"], **options)  # type: ignore[arg-type]


def test_the_attention_of_given_targets_is_that_of_answers(pairs_run: seqloom.Run) -> None:
    lines = ["a b c", "d", "e f a b"]
    answers = [best for best, *_ in pairs_run.answers(lines, attention=True, max_length=12)]
    pairs = [(line, answer.text) for line, answer in zip(lines, answers, strict=True)]
    for given, answer in zip(pairs_run.align(pairs), answers, strict=True):
        expected = answer.alignment  # type: ignore[attr-defined]
        assert list(given.source) == list(expected.source)
        rows = len(expected.target)
        assert list(given.target)[:rows] == list(expected.target)
        assert given.matrix()[:rows] == pytest.approx(expected.matrix(), abs=1e-5)
