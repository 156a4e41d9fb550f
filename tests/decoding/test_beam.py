"""Beam search finds what an exhaustive search finds, or what its definition says, whatever stands in the batch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqloom.data.tokenizer import EOS, PAD, SOS, UNK
from seqloom.decoding.candidates import most_probable, restrict
from seqloom.decoding.search_options import Constraints, Search
from seqloom.decoding.transduce import transduce
from seqloom_portable.targets import Hypothesis
from tests.support.table_model import Source, TableModel, every_string, random_sources

ALPHAS = st.sampled_from([0.0, 0.6, 1.0])


def exhaustive(model: TableModel, source: Source, search: Search, prefix: tuple[int, ...] = ()) -> list[Hypothesis]:
    longest = search.longest(len(source), len(prefix))
    hypotheses = [
        Hypothesis(tokens, log_prob, log_prob / (len(tokens) + ended) ** search.length_penalty, None, ended)
        for tokens, log_prob, ended in every_string(model, source, longest, search.never, prefix)
    ]
    return sorted(hypotheses, key=lambda hypothesis: (not hypothesis.ended, -hypothesis.score))[: search.n_best]


def same(hypotheses: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [hypothesis.token_ids for hypothesis in hypotheses] == [hypothesis.token_ids for hypothesis in expected]
    assert [hypothesis.ended for hypothesis in hypotheses] == [hypothesis.ended for hypothesis in expected]
    assert [hypothesis.log_prob for hypothesis in hypotheses] == pytest.approx(
        [hypothesis.log_prob for hypothesis in expected]
    )
    assert [hypothesis.score for hypothesis in hypotheses] == pytest.approx(
        [hypothesis.score for hypothesis in expected]
    )


@given(st.integers(0, 10_000), ALPHAS, st.integers(5, 6), st.integers(1, 4), st.integers(1, 9))
def test_a_beam_that_holds_everything_is_exhaustive(
    seed: int, alpha: float, vocab_size: int, longest: int, n_best: int
) -> None:
    model, sources = TableModel(vocab_size, seed), random_sources(seed, 3)
    search = Search(
        beam_size=(vocab_size - 3) ** longest + 10,
        n_best=n_best,
        length_penalty=alpha,
        max_length=longest,
        exact=True,
    )
    for source, hypotheses in zip(sources, transduce(model, sources, search), strict=True):
        same(hypotheses, exhaustive(model, source, search))


def by_definition(model: TableModel, source: Source, search: Search) -> list[Hypothesis]:
    """Beam search in plain Python, one source at a time, that continues while one alive is winning, or can."""
    alive: list[tuple[float, list[int]]] = [(0.0, [])]
    ended: list[Hypothesis] = []
    cut: list[Hypothesis] = []
    longest = search.longest(len(source))
    for length in range(1, longest + 1):
        ways = [
            (total + float(model.distribution(source, tokens)[token]), [*tokens, token])
            for total, tokens in alive
            for token in range(model.vocab_size)
            if token not in search.never
        ]
        ways.sort(key=lambda way: -way[0])
        ended += [
            Hypothesis(tokens[:-1], total, total / length**search.length_penalty, None, True)
            for total, tokens in ways[: search.beam_size]
            if tokens[-1] == EOS
        ]
        alive = [way for way in ways if way[1][-1] != EOS][: search.beam_size]
        best_scores = sorted((hypothesis.score for hypothesis in ended), reverse=True)[: search.n_best]
        winning = (
            alive[0][0] / length**search.length_penalty > best_scores[-1] if len(best_scores) == search.n_best else True
        )
        if not search.exact and len(ended) >= search.beam_size and not winning and length < longest:
            break
        if length == longest:
            cut = [
                Hypothesis(tokens, total, total / length**search.length_penalty, None, False) for total, tokens in alive
            ]
    return sorted([*ended, *cut], key=lambda hypothesis: (not hypothesis.ended, -hypothesis.score))[: search.n_best]


@given(st.integers(0, 10_000), ALPHAS, st.integers(1, 6), st.booleans(), st.data())
def test_a_beam_is_what_its_definition_says(
    seed: int, alpha: float, beam_size: int, exact: bool, data: st.DataObject
) -> None:
    """And the exact bound loses nothing."""
    model, sources = TableModel(9, seed, sharpness=2.0), random_sources(seed, 6)
    n_best = data.draw(st.integers(1, beam_size))
    # A beam of one is greedy: it ends where it ends.
    search = Search(beam_size, n_best, alpha, max_length=8, exact=exact and beam_size > 1, never=(UNK,))
    for source, hypotheses in zip(sources, transduce(model, sources, search), strict=True):
        same(hypotheses, by_definition(model, source, search))
        assert len(hypotheses) == n_best == len({tuple(hypothesis.token_ids) for hypothesis in hypotheses})
        scores = [hypothesis.score for hypothesis in hypotheses if hypothesis.ended]
        assert scores == sorted(scores, reverse=True)
        assert not {PAD, UNK, SOS, EOS} & {token for hypothesis in hypotheses for token in hypothesis.token_ids}


@given(st.integers(0, 10_000), ALPHAS)
def test_a_prefix_is_kept_and_scored(seed: int, alpha: float) -> None:
    model, sources = TableModel(6, seed), random_sources(seed, 4)
    # An unknown word may be asked for where none is written.
    prefixes = [(), (4,), (UNK, 5), (5, 5, 4, 5)]
    search = Search(80, 5, alpha, max_length=4, exact=True, never=(UNK,))
    for source, prefix, hypotheses in zip(
        sources, prefixes, transduce(model, sources, search, map(Constraints, prefixes)), strict=True
    ):
        same(hypotheses, exhaustive(model, source, search, prefix))
        assert all(tuple(hypothesis.token_ids[: len(prefix)]) == prefix for hypothesis in hypotheses)


def test_a_small_beam_keeps_its_prefixes() -> None:
    model, sources = TableModel(40), random_sources(1, 30)
    prefixes = [tuple(range(4, 4 + i % 5)) for i in range(30)]
    for beam_size in (1, 3):
        for prefix, hypotheses in zip(
            prefixes, transduce(model, sources, Search(beam_size), map(Constraints, prefixes)), strict=True
        ):
            assert tuple(hypotheses[0].token_ids[: len(prefix)]) == prefix


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_the_bound_ends_a_search(alpha: float) -> None:
    """What cannot win is not followed to the longest length."""
    model = TableModel(9, sharpness=3.0)
    list(transduce(model, random_sources(1, 5), Search(4, length_penalty=alpha, max_length=40, exact=True)))
    assert model.calls < 40


def test_sources_that_are_done_leave_the_batch() -> None:
    model, sources = TableModel(9, sharpness=3.0), random_sources(1, 40)
    list(transduce(model, sources, Search(2)))
    assert model.rows_decoded < 0.6 * 2 * 40 * model.calls


@pytest.mark.parametrize("beam_size", [1, 3])
def test_where_nothing_ends_all_is_cut(beam_size: int) -> None:
    class Endless(TableModel):
        def distribution(self, source: object, prefix: object) -> torch.Tensor:  # noqa: ARG002
            return torch.tensor([-9.0, -9, -9, -99, -1, -2]).log_softmax(0)

    search = Search(beam_size, beam_size, max_ratio=1.5, attention=True)
    sources = [[4, EOS], [*range(4, 20), EOS]]
    for source, length, hypotheses in zip(sources, (23, 45), transduce(Endless(6), sources, search), strict=True):
        assert length == search.longest(len(source))
        assert len(hypotheses) == beam_size
        for hypothesis in hypotheses:
            assert not hypothesis.ended
            assert len(hypothesis.token_ids) == length
            assert hypothesis.attention is not None
            assert hypothesis.attention.shape == (length, len(source))
        assert hypotheses[0].token_ids == [4] * length


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(20, 300), st.integers(1, 9))
def test_the_most_probable(seed: int, rows: int, vocab: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    log_probs = torch.from_numpy(rng.normal(size=(3, rows, vocab)))
    log_probs[torch.from_numpy(rng.random((3, rows, vocab)) < 0.2)] = -torch.inf
    totals = torch.from_numpy(rng.normal(size=(3, rows)))
    best = most_probable(log_probs, totals, width)
    flat = (log_probs + totals[:, :, None]).flatten(1)
    torch.testing.assert_close(best.log_probs, flat.topk(width).values, rtol=0, atol=0)
    torch.testing.assert_close(flat.gather(1, best.rows * vocab + best.tokens), best.log_probs, rtol=0, atol=0)
    assert len(set((best.rows * vocab + best.tokens)[0].tolist())) == width


def test_restricting() -> None:
    log_probs = torch.arange(-8.0, 0).view(2, 1, 4).repeat(1, 3, 1)
    free = restrict(log_probs.clone(), torch.tensor([0, 2]), None)
    assert torch.equal(free[0, 1], torch.tensor([-math.inf, -7, -math.inf, -5]))
    forced = restrict(log_probs.clone(), torch.tensor([0, 2]), torch.tensor([2, -1]))
    assert torch.equal(forced[0, 2], torch.tensor([-math.inf, -math.inf, -6, -math.inf]))
    assert torch.equal(forced[1], free[1])
