"""Scores of lines: in the order given, each on its own, whatever it is computed with."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from seqloom.data.tokenizer import EOS, SOS, UNK
from seqloom.decoding.scoring import score_lines, score_pairs
from seqloom.nn.layer import State
from tests.support.table_model import TableModel, random_sources


class Costs:
    """Each target costs a hundredth of itself, and of the input before it a thousandth; what is padding costs 1e9."""

    def initial_state(self, batch_size: int) -> State:
        return (torch.zeros(batch_size, 1),)

    def next_log_probs(self, token_ids: Tensor, state: State) -> tuple[Tensor, State]:
        raise NotImplementedError

    def log_prob(
        self, token_ids: Tensor, targets: Tensor, state: State, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        assert lengths is not None
        cost = -targets / 100 - token_ids / 1000
        return cost.where(torch.arange(targets.shape[1]) < lengths[:, None], torch.tensor(-1e9)), state


def expected(line: list[int], first: int) -> float:
    return -sum([*line, EOS]) / 100 - sum([first, *line]) / 1000


@pytest.mark.parametrize("first", [SOS, EOS])
def test_each_line_on_its_own_in_order(first: int) -> None:
    rng = random.Random(1)
    lines = [[rng.randrange(4, 90) for _ in range(rng.choice([0, 1, 2, 5, 40, 900]))] for _ in range(150)]
    lines[3] = [UNK, 5, UNK]
    scores = score_lines(Costs(), lines, first)
    assert [score.tokens for score in scores] == [len(line) + 1 for line in lines]
    assert [score.unknown for score in scores] == [line.count(UNK) for line in lines]
    for score, line in zip(scores, lines, strict=True):
        assert score.log_prob == pytest.approx(expected(line, first), rel=1e-5)


def test_a_line_longer_than_a_batch() -> None:
    (score,) = score_lines(Costs(), [[7] * 20_000], SOS)
    assert score.tokens == 20_001


def test_nothing_to_score() -> None:
    assert score_lines(Costs(), [], SOS) == []


def test_each_pair_on_its_own_in_order() -> None:
    model, sources = TableModel(90), random_sources(1, 40)
    rng = random.Random(1)
    pairs = [(source, [rng.randrange(4, 90) for _ in range(rng.choice([0, 1, 5, 30]))]) for source in sources]
    pairs[3] = (sources[3], [UNK, 5, UNK])
    scores = score_pairs(model, pairs)
    for score, (source, target) in zip(scores, pairs, strict=True):
        assert score.log_prob == pytest.approx(model.string_log_prob(source, [*target, EOS]))
        assert (score.tokens, score.unknown) == (len(target) + 1, target.count(UNK))
    assert score_pairs(model, []) == []
