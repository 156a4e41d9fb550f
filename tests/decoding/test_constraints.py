"""Required terms, ensembles of runs, and answers of minimum Bayes risk."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import seqloom
from seqloom.decoding.ensemble import Ensemble
from seqloom.decoding.search_options import Constraints, Search, Term
from seqloom.decoding.transduce import transduce
from seqloom.errors import RequestError
from tests.support.command_line import CommandLine
from tests.support.pairs import shared_pairs_run, train_pairs
from tests.support.table_model import TableModel, random_sources

VOCAB = 9


@pytest.fixture(scope="module")
def pairs_run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_pairs_run(tmp_path_factory, model="gru", updates=2)


def has(tokens: list[int], term: tuple[int, ...]) -> bool:
    return any(tuple(tokens[i : i + len(term)]) == term for i in range(len(tokens)))


TERM = st.lists(st.integers(4, VOCAB - 1), min_size=1, max_size=3).map(tuple)
TERMS = st.lists(TERM, min_size=1, max_size=3, unique=True)


@settings(max_examples=20)
@given(terms=TERMS, beam=st.integers(1, 4), max_length=st.integers(0, 12))
def test_every_hypothesis_has_every_term(terms: list[tuple[int, ...]], beam: int, max_length: int) -> None:
    """Whatever the model thinks of them, and however little room there is."""
    required = tuple(Term(term, term) for term in terms)
    search, constraints = Search(beam, n_best=1, max_length=max_length), [Constraints(required=required)] * 4
    for found in transduce(TableModel(VOCAB), random_sources(3, 4), search, constraints):
        assert found
        assert all(has(hypothesis.token_ids, term) for hypothesis in found for term in terms)


def test_scores_are_those_of_the_model() -> None:
    model, search, sources = TableModel(VOCAB), Search(4, n_best=2), random_sources(3, 4)
    constraints = [Constraints(required=(Term((5, 6), (5, 6)),))] * 4
    for source, found in zip(sources, transduce(model, sources, search, constraints), strict=True):
        for hypothesis in found:
            ids = hypothesis.token_ids
            steps = [*ids, 3] if hypothesis.ended else ids
            total = sum(float(model.distribution(list(source), ids[:i])[token]) for i, token in enumerate(steps))
            assert hypothesis.log_prob == pytest.approx(total, rel=1e-4)


def test_a_term_that_comes_by_itself_changes_little() -> None:
    sources, model = random_sources(3, 6), TableModel(VOCAB)
    for source, (plain,) in zip(sources, transduce(model, sources, Search(4)), strict=True):
        if plain.token_ids:
            term = (plain.token_ids[0],)
            ((again,),) = transduce(model, [source], Search(4), [Constraints(required=(Term(term, term),))])
            assert again.score >= plain.score - 0.7


def test_a_translator_writes_what_is_required(pairs_run: seqloom.Run) -> None:
    for terms in (["f"], ["f a", "c"], ["a", "b", "c d"]):
        for text in pairs_run.predict(["a b c d", "a", "e"], require=terms):
            assert all(f" {term} " in f" {text} " for term in terms)
    with pytest.raises(RequestError, match="cannot generate a term"):
        pairs_run.answers(["a"], require=["unheard"])
    with pytest.raises(RequestError, match="cannot be combined with sampling"):
        pairs_run.answers(["a"], require=["f"], sample=True)


def test_terms_of_byte_pairs(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = {"tokenizer__kind": "bpe", "tokenizer__vocab_size": 270}
    run = shared_pairs_run(tmp_path_factory, model="gru", updates=1, **settings)
    for text in run.predict(["a b c d", "a"], require=["f a", "d"], max_length=30):
        assert "f a" in text
        assert "d" in text


def test_an_ensemble_averages_probabilities() -> None:
    models = [TableModel(VOCAB), TableModel(VOCAB)]
    models[1].distribution = lambda source, prefix: models[0].distribution(source, prefix).flip(0)  # type: ignore[method-assign]
    both, tokens = Ensemble(models), torch.tensor([[2]])
    source, lengths = torch.tensor([[5, 6, 3]]), torch.tensor([3])
    encoded = both.encode(source, lengths)
    log_probs, _, _ = both.decode_next(tokens, both.initial_state(encoded, 1), encoded)
    alone = [m.decode_next(tokens, m.initial_state(e, 1), e)[0] for m, e in zip(models, encoded, strict=True)]
    torch.testing.assert_close(log_probs, torch.stack(alone).logsumexp(0) - math.log(2))


def test_an_ensemble_of_runs(
    pairs_run: seqloom.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, cli = ["a b c", "d", "e f"], CommandLine(monkeypatch, capsys)
    alone, together = (list(run.answers(lines)) for run in (pairs_run, pairs_run.ensemble([pairs_run])))
    assert [best.text for best, *_ in together] == [best.text for best, *_ in alone]
    assert [best.score for best, *_ in together] == pytest.approx([best.score for best, *_ in alone], rel=1e-4)
    folder, standard_input = pairs_run.folder, "a b c\nd\ne f\n"
    status, output, errors = cli("predict", folder, "--ensemble", folder, standard_input=standard_input)
    assert status == 0, errors
    assert output.splitlines() == pairs_run.predict(lines)
    other = train_pairs(tmp_path / "run", model="gru", updates=1, tokenizer__kind="bpe", tokenizer__vocab_size=262)
    with pytest.raises(RequestError, match="share their tokenizers"):
        pairs_run.ensemble([other])


def test_the_answer_of_least_risk_is_the_most_alike(pairs_run: seqloom.Run) -> None:
    how = {"sample": True, "temperature": 0.5, "max_length": 12}
    (ranked,) = pairs_run.answers(["a b c"], mbr=12, n_best=3, **how)  # type: ignore[arg-type]
    (samples,) = pairs_run.answers(["a b c"], n_best=12, **how)  # type: ignore[arg-type]
    assert {answer.text for answer in ranked} <= {answer.text for answer in samples}
    assert len(ranked) <= 3
    assert [answer.score for answer in ranked] == sorted((answer.score for answer in ranked), reverse=True)
    with pytest.raises(RequestError, match="mbr is out of range"):
        pairs_run.answers(["a"], mbr=4)
