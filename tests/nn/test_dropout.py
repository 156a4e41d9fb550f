"""Dropout: its rate, scale and gradient; of the same features at every step, of whole words; none in evaluation."""

from __future__ import annotations

import pytest
import torch

from seqloom.nn.dropout import FastDropout, VariationalDropout, WordDropout, dropout_mask
from seqloom.nn.embedding import EmbeddingSettings, TokenEmbedding


def test_a_mask_keeps_the_mean() -> None:
    mask = dropout_mask((200, 200), 0.3, torch.ones(1))
    assert sorted(mask.unique().tolist()) == pytest.approx([0.0, 1 / 0.7])
    assert mask.mean().item() == pytest.approx(1.0, abs=0.02)


def test_variational_dropout_drops_the_same_features_at_every_step_of_a_row() -> None:
    dropped = VariationalDropout(0.5)(torch.ones(6, 7, 40))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert not torch.equal(dropped[0], dropped[1])
    assert set(dropped.unique().tolist()) == {0.0, 2.0}


def test_word_dropout_drops_a_word_wherever_it_stands() -> None:
    token_ids = torch.arange(50).repeat(4, 2)
    dropped = WordDropout(0.5, 50)(torch.ones(4, 100, 3), token_ids)
    assert torch.equal(dropped, dropped[:1, :50].repeat(4, 2, 1))
    assert set(dropped[0, :50].sum(1).tolist()) == {0.0, 6.0}


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_evaluation_drops_nothing(rate: float) -> None:
    inputs, token_ids = torch.randn(2, 3, 4), torch.zeros(2, 3, dtype=torch.long)
    assert VariationalDropout(rate).eval()(inputs) is inputs
    assert WordDropout(rate, 5).eval()(inputs, token_ids) is inputs
    if not rate:
        assert VariationalDropout(rate)(inputs) is inputs
        assert WordDropout(rate, 5)(inputs, token_ids) is inputs


def test_an_embedding_drops_in_training_only() -> None:
    embedding = TokenEmbedding(20, EmbeddingSettings(dim=8, word_dropout=0.5, dropout=0.5))
    token_ids = torch.arange(20)[None]
    assert (embedding(token_ids) == 0).any()
    assert torch.equal(embedding.eval()(token_ids)[0], embedding.table.weight)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_numbers_are_dropped_at_the_rate_and_the_mean_stays(rate: float) -> None:
    dropped = FastDropout(rate)(torch.ones(401, 499))
    assert abs(float((dropped == 0).float().mean()) - rate) < 0.01
    assert abs(float(dropped.mean()) - 1) < 0.02
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - rate)), rtol=1e-3, atol=0.0)


def test_numbers_are_dropped_independently() -> None:
    """Those of one draw too."""
    kept = (FastDropout(0.5)(torch.ones(40_000, 8)) != 0).double()
    correlations = torch.corrcoef(kept.T) - torch.eye(8)
    assert correlations.abs().max() < 0.03


def test_gradients_pass_where_numbers_did() -> None:
    inputs, branch = torch.randn(7, 9, requires_grad=True), torch.randn(7, 9, requires_grad=True)
    dropped = FastDropout(0.4)(branch)
    dropped.sum().backward()
    torch.testing.assert_close(branch.grad * branch, dropped.detach())
    branch.grad = None
    added = FastDropout(0.4).add(inputs, branch)
    added.sum().backward()
    torch.testing.assert_close(branch.grad * branch, (added - inputs).detach())
    assert torch.equal(inputs.grad, torch.ones(7, 9))


@pytest.mark.parametrize("dropout", [FastDropout(0.4).eval(), FastDropout(0.0)])
def test_without_training_or_a_rate_nothing_is_dropped(dropout: FastDropout) -> None:
    inputs, branch = torch.randn(2, 3), torch.randn(2, 3)
    assert dropout(inputs) is inputs
    assert torch.equal(dropout.add(inputs, branch), inputs + branch)


def test_precision_and_empty_inputs_are_kept() -> None:
    assert FastDropout(0.5)(torch.ones(3, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert FastDropout(0.5)(torch.ones(0, 3)).shape == (0, 3)
