"""Dropout that respects a sequence: the same features at every step, whole words, nothing in evaluation."""

from __future__ import annotations

import pytest
import torch

from seqloom.nn.dropout import VariationalDropout, WordDropout, keep_mask
from seqloom.nn.embedding import EmbeddingSettings, TokenEmbedding


def test_a_mask_keeps_the_mean() -> None:
    mask = keep_mask((200, 200), 0.3, torch.ones(1))
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
