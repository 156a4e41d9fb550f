"""Attention of a recurrent decoder: every score is its paper's formula, and padding has no share."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seqloom.errors import RequestError
from seqloom.nn.attention.alignment import (
    AdditiveScore,
    AlignmentScore,
    GeneralScore,
    alignment_scores,
    attend,
    padding_bias,
)
from seqloom.nn.attention.multi_head import CrossAttention

BATCH, QUERIES, SOURCE, QUERY, SIZE = 3, 4, 5, 6, 6
REAL = torch.arange(SOURCE) < torch.tensor([[5], [2], [1]])


@pytest.fixture(params=alignment_scores)
def score(request: pytest.FixtureRequest) -> AlignmentScore:
    return alignment_scores[request.param](QUERY, SIZE).double()


@pytest.fixture
def queries() -> Tensor:
    return torch.randn(BATCH, QUERIES, QUERY, dtype=torch.float64)


@pytest.fixture
def source() -> Tensor:
    return torch.randn(BATCH, SOURCE, SIZE, dtype=torch.float64)


def by_hand(score: AlignmentScore, query: Tensor, vector: Tensor) -> Tensor:
    """The score of one query and one vector of a source."""
    if isinstance(score, AdditiveScore):
        hidden = score.project_query.weight @ query + score.project_source.weight @ vector + score.project_source.bias
        return score.weight @ torch.tanh(hidden)
    return query @ (score.project.weight @ vector if isinstance(score, GeneralScore) else vector)


def test_scores_are_the_papers_formulas(score: AlignmentScore, queries: Tensor, source: Tensor) -> None:
    got = score(queries, score.keys(source), padding_bias(torch.ones_like(REAL), torch.float64))
    for row in range(BATCH):
        for query in range(QUERIES):
            for place in range(SOURCE):
                torch.testing.assert_close(
                    got[row, query, place], by_hand(score, queries[row, query], source[row, place])
                )


def test_the_context_is_the_weighted_mean_of_real_values(
    score: AlignmentScore, queries: Tensor, source: Tensor
) -> None:
    bias = padding_bias(REAL, torch.float64)
    context, weights = attend(score(queries, score.keys(source), bias), source)
    torch.testing.assert_close(weights.sum(2), torch.ones(BATCH, QUERIES, dtype=torch.float64))
    assert not weights.transpose(1, 2)[~REAL].any()
    for row, length in enumerate(REAL.sum(1).tolist()):
        one = slice(row, row + 1)
        short = source[one, :length]
        alone, _ = attend(score(queries[one], score.keys(short), bias[one, :, :length]), short)
        torch.testing.assert_close(context[one], alone)


def test_gradients_are_those_of_the_function(score: AlignmentScore, queries: Tensor, source: Tensor) -> None:
    bias = padding_bias(REAL, torch.float64)

    def contexts(queries: Tensor, source: Tensor, *_: Tensor) -> Tensor:
        return attend(score(queries, score.keys(source), bias), source)[0]

    given = queries.requires_grad_(), source.requires_grad_(), *score.parameters()
    assert torch.autograd.gradcheck(contexts, given, fast_mode=True)


def test_sizes_may_differ_unless_the_score_is_a_dot_product() -> None:
    query, source = torch.randn(1, 1, 4), torch.randn(1, 3, 6)
    bias = padding_bias(torch.ones(1, 3, dtype=torch.bool), torch.float32)
    for name in set(alignment_scores) - {"dot"}:
        score = alignment_scores[name](4, 6)
        assert score(query, score.keys(source), bias).shape == (1, 1, 3)
    with pytest.raises(RequestError, match="equal dimension") as error:
        alignment_scores["dot"](4, 6)
    assert error.value.where == "attention.score"


def test_cross_attention_is_the_same_with_its_weights_and_without() -> None:
    attention = CrossAttention(8, num_heads=2, source_size=SIZE).double()
    inputs = torch.randn(BATCH, QUERIES, 8, dtype=torch.float64)
    keys, values = attention.read(torch.randn(BATCH, SOURCE, SIZE, dtype=torch.float64))
    mask = REAL[:, None, None]
    attended, weights = attention.with_weights(inputs, keys, values, mask)
    torch.testing.assert_close(attended, attention(inputs, keys, values, mask))
    torch.testing.assert_close(weights.sum(2), torch.ones(BATCH, QUERIES, dtype=torch.float64))
    assert not weights.transpose(1, 2)[~REAL].any()
