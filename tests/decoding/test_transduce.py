"""Every way of decoding: in the order given, one by one as in a batch, with the model's own log-probabilities."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from seqloom.data.tokenizer import EOS, PAD, SOS, UNK
from seqloom.decoding import transduce as module
from seqloom.decoding.sampling import Sampling
from seqloom.decoding.scoring import score_pairs
from seqloom.decoding.search_options import Constraints, Search
from seqloom.decoding.transduce import transduce
from seqloom.errors import RequestError
from seqloom.models.architecture import architecture, network_settings
from seqloom.models.encoder_decoder import EncoderDecoder, Frames, SharedTokens
from seqloom_portable.targets import Hypothesis
from tests.support.table_model import TableModel, random_sources

WAYS = {
    "greedy": Search(1, attention=True),
    "beam": Search(4, 3, attention=True),
    "sampling": Search(n_best=3, sampling=Sampling(top_p=0.9), attention=True),
}


def everything(model: Any, sources: Any, search: Search, **options: Any) -> list[list[Hypothesis]]:
    return list(transduce(model, sources, search, **options))


def assert_same(hypotheses: list[list[Hypothesis]], expected: list[list[Hypothesis]]) -> None:
    for hypothesis, other in zip(itertools.chain(*hypotheses), itertools.chain(*expected), strict=True):
        assert hypothesis.token_ids == other.token_ids
        assert hypothesis.ended == other.ended
        assert hypothesis.score == pytest.approx(other.score, rel=1e-4)
        assert hypothesis.attention is not None
        assert other.attention is not None
        np.testing.assert_allclose(hypothesis.attention, other.attention, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_batched_is_one_by_one_in_order(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, sources = TableModel(30, sharpness=2.0), random_sources(1, 25, longest=5)
    together = everything(model, sources, WAYS[way])
    assert len(together) == 25
    assert_same([everything(model, [source], WAYS[way])[0] for source in sources], together)
    monkeypatch.setattr(module, "BUDGET", 60)
    monkeypatch.setattr("seqloom.decoding.batching._WINDOW", 13)
    assert_same(everything(model, sources, WAYS[way]), together)


@pytest.mark.parametrize("way", WAYS)
def test_scores_are_the_models(way: str) -> None:
    model, sources = TableModel(30, sharpness=2.0), random_sources(2, 30)
    answers = everything(model, sources, WAYS[way])
    flat = [hypothesis for several in answers for hypothesis in several if hypothesis.ended]
    pairs = [
        (s, hypothesis.token_ids)
        for s, several in zip(sources, answers, strict=True)
        for hypothesis in several
        if hypothesis.ended
    ]
    assert len(flat) > len(sources) // 2
    assert [score.log_prob for score in score_pairs(model, pairs)] == pytest.approx(
        [hypothesis.log_prob for hypothesis in flat]
    )
    assert [score.tokens for score in score_pairs(model, pairs)] == [
        len(hypothesis.token_ids) + 1 for hypothesis in flat
    ]
    assert [hypothesis.score for hypothesis in flat] == pytest.approx(
        [hypothesis.log_prob / (len(hypothesis.token_ids) + 1) for hypothesis in flat]
    )


@pytest.mark.parametrize("way", WAYS)
def test_attention_is_that_of_each_tokens_own_history(way: str) -> None:
    model, sources = TableModel(30, sharpness=2.0), random_sources(3, 20)
    for source, hypotheses in zip(sources, everything(model, sources, WAYS[way]), strict=True):
        for hypothesis in hypotheses:
            expected = [
                model.attention(source, hypothesis.token_ids[:i])
                for i in range(len(hypothesis.token_ids) + hypothesis.ended)
            ]
            assert hypothesis.attention is not None
            np.testing.assert_allclose(hypothesis.attention, torch.stack(expected), rtol=1e-5)
    assert everything(model, sources, Search(2))[0][0].attention is None


@pytest.mark.parametrize("search", [Search(1), Search(n_best=1, sampling=Sampling(temperature=0))])
def test_greedy_takes_the_most_probable(search: Search) -> None:
    model, sources = TableModel(200, sharpness=2.0), random_sources(4, 20)
    for source, (answer,) in zip(sources, everything(model, sources, search), strict=True):
        tokens: list[int] = []
        while len(tokens) < search.longest(len(source)) and EOS not in tokens:
            log_probs = model.distribution(source, tokens)
            log_probs[[PAD, SOS]] = -math.inf
            tokens.append(int(log_probs.argmax()))
        assert [*answer.token_ids, EOS][: len(tokens)] == tokens
        assert answer.log_prob == pytest.approx(model.string_log_prob(source, tokens))


def test_a_seed_decides_what_is_drawn() -> None:
    model, sources = TableModel(30), random_sources(5, 10)
    draws = [everything(model, sources, Search(n_best=2, sampling=Sampling(), seed=seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    assert everything(model, sources[::-1], Search(n_best=2, sampling=Sampling(), seed=1)) == draws[0][::-1]


def test_what_is_drawn_is_as_frequent_as_it_is_probable() -> None:
    model, source = TableModel(6, sharpness=0.5), [4, EOS]
    search = Search(n_best=4_000, sampling=Sampling(), max_length=2, never=(UNK,), seed=3)
    (hypotheses,) = everything(model, [source], search)
    assert len(hypotheses) == 4_000
    allowed = [EOS, 4, 5]
    first = model.distribution(source, []).exp()[allowed]
    for token, expected in zip(allowed, (first / first.sum()).tolist(), strict=True):
        count = sum([*hypothesis.token_ids, EOS][0] == token for hypothesis in hypotheses)
        assert count / 4_000 == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 4_000))
    # What is drawn second depends on what was drawn first.
    after = [hypothesis for hypothesis in hypotheses if hypothesis.token_ids[:1] == [4]]
    ends = model.distribution(source, [4]).exp()[allowed]
    share = float(ends[0] / ends.sum())
    assert sum(hypothesis.ended for hypothesis in after) / len(after) == pytest.approx(
        share, abs=4 / math.sqrt(len(after)) / 2
    )


def test_a_stream_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqloom.decoding.batching._WINDOW", 8)
    read = []

    def stream() -> Iterator[list[int]]:
        for source in random_sources(1, 100):
            read.append(source)
            yield source

    answers = transduce(TableModel(9), stream(), Search(2))
    assert next(answers)
    assert len(read) == 8


def test_nothing_in_nothing_out() -> None:
    assert everything(TableModel(9), [], Search()) == []


def test_wrong_requests() -> None:
    model = TableModel(9)
    with pytest.raises(RequestError, match="empty") as refused:
        everything(model, [[EOS], []], Search())
    assert refused.value.where == "source 2"
    with pytest.raises(RequestError, match="prefix") as refused:
        everything(model, [[EOS]], Search(), constraints=[Constraints(prefix=(4, EOS))])
    assert refused.value.where == "prefix 1"


@pytest.mark.parametrize(
    "values",
    [
        {"beam_size": 0},
        {"n_best": 0},
        {"beam_size": 2, "n_best": 3},
        {"n_best": 0, "sampling": Sampling()},
        {"length_penalty": -1.0},
        {"length_penalty": math.nan},
        {"max_length": -1},
        {"max_ratio": math.inf},
        {"seed": -1},
        {"never": (EOS,)},
    ],
)
def test_what_is_out_of_range_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="out of range") as refused:
        Search(**values)
    assert refused.value.expected
    assert any(name in str(refused.value) for name in values)


NETWORKS = ["lstm", "gru+attention", "transformer"]


def network(name: str, frames: bool = False) -> EncoderDecoder:
    layout = architecture(name)
    size = {"model_dim": 16, "num_layers": 2, "num_heads": 2} if name == "transformer" else {"hidden_size": 16}
    settings = network_settings(layout)(embedding={"dim": 16}, encoder=size, decoder=size)
    source = Frames(5) if frames else SharedTokens()
    model = EncoderDecoder.build(layout, settings, np.ones(30, dtype=np.int64), source).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)
    return model


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_batched_and_one_by_one(name: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(name)
    sources = [[token % 26 + 4 for token in source[:-1]] + [EOS] for source in random_sources(6, 8)]
    search = dataclasses.replace(WAYS[way], max_length=9)
    together = everything(model, sources, search)
    monkeypatch.setattr(module, "BUDGET", 1)
    alone = everything(model, sources, search)
    for hypothesis, other in zip(itertools.chain(*together), itertools.chain(*alone), strict=True):
        assert hypothesis.token_ids == other.token_ids
        assert hypothesis.log_prob == pytest.approx(other.log_prob, rel=1e-3, abs=1e-3)
        assert (hypothesis.attention is None) == (name == "lstm")
    pairs = [
        (s, hypothesis.token_ids)
        for s, several in zip(sources, together, strict=True)
        for hypothesis in several
        if hypothesis.ended
    ]
    forced = [hypothesis.log_prob for hypothesis in itertools.chain(*together) if hypothesis.ended]
    assert [score.log_prob for score in score_pairs(model, pairs)] == pytest.approx(forced, rel=1e-3, abs=1e-3)


def test_sources_of_frames() -> None:
    model = network("gru+attention", frames=True)
    rng = np.random.default_rng(1)
    sources = [rng.normal(size=(length, 5)) for length in (3, 9, 1)]
    together = everything(model, sources, Search(2))
    for source, (answer,) in zip(sources, together, strict=True):
        (alone,) = everything(model, [source], Search(2))[0]
        assert alone.token_ids == answer.token_ids
    (score,) = score_pairs(model, [(sources[1], [5, 6])])
    assert score.tokens == 3
    assert score.log_prob < 0
