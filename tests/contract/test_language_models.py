"""What every neural language model can do, whatever its layer: loss, scores and next-token distributions agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqloom.data.batches import Batch
from seqloom.data.line_batches import line_batch
from seqloom.models.language_model import LanguageModel
from seqloom.nn.embedding import EmbeddingSettings
from seqloom.nn.layer import layers
from seqloom.nn.output import OutputSettings

SMALL = {"hidden_size": 8, "model_dim": 8, "num_heads": 2, "num_layers": 2, "output_size": 6, "order": 4}
COUNTS = 3_000 // np.arange(1, 101)
CAUSAL = [name for name in layers if layers[name].causal]


OUTPUTS = {"full": {}, "adaptive": {"kind": "adaptive"}, "skip": {"skip_connection": True}}


@pytest.fixture(params=[(name, kind) for name in CAUSAL for kind in OUTPUTS], ids="-".join)
def model(request: pytest.FixtureRequest) -> LanguageModel:
    name, kind = request.param
    own = layers[name].settings
    settings = own(**{setting: value for setting, value in SMALL.items() if setting in own.model_fields})  # type: ignore[arg-type]
    output, embedding = OutputSettings(**{"kind": "full", **OUTPUTS[kind]}), EmbeddingSettings(dim=7)  # type: ignore[arg-type]
    return LanguageModel.build(layers[name], settings, embedding, output, COUNTS).double().eval()


@pytest.fixture
def batch() -> Batch:
    return line_batch([[9, 90, 30, 3], [7, 3], [50, 8, 3]])


def test_the_loss_is_the_scores_of_what_counts(model: LanguageModel, batch: Batch) -> None:
    state, mask = model.initial_state(3), batch.mask()
    loss, _ = model.loss(batch.inputs, batch.targets, state, batch.lengths, mask)
    scores, _ = model.log_prob(batch.inputs, batch.targets, state, batch.lengths)
    torch.testing.assert_close(loss, -scores[mask].sum())
    alone = sum(
        model.loss(batch.inputs[row : row + 1, :length], batch.targets[row : row + 1, :length])[0]
        for row, length in enumerate(batch.lengths)
    )
    torch.testing.assert_close(loss, alone)


def test_scores_are_those_of_one_step_at_a_time(model: LanguageModel, batch: Batch) -> None:
    scores, _ = model.log_prob(batch.inputs, batch.targets, model.initial_state(3))
    state = model.initial_state(3)
    for step in range(batch.inputs.shape[1]):
        distribution, state = model.next_log_probs(batch.inputs[:, step : step + 1], state)
        torch.testing.assert_close(distribution.exp().sum(1), torch.ones(3, dtype=torch.float64))
        chosen = distribution.gather(1, batch.targets[:, step, None]).squeeze(1)
        torch.testing.assert_close(chosen, scores[:, step])


def test_scores_keep_no_gradients(model: LanguageModel, batch: Batch) -> None:
    assert not model.log_prob(batch.inputs, batch.targets, model.initial_state(3))[0].requires_grad
    assert not model.next_log_probs(batch.inputs, model.initial_state(3))[0].requires_grad


def test_gradients_reach_every_parameter(model: LanguageModel, batch: Batch) -> None:
    model.train().loss(batch.inputs, batch.targets, None, batch.lengths, batch.mask())[0].backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_a_batch_of_nothing_costs_nothing(model: LanguageModel, batch: Batch) -> None:
    """As on a rank left without rows: the loss is zero, and gradients are there all the same."""
    idle = batch.shard(3, 4)
    loss, _ = model.loss(idle.inputs, idle.targets, None, idle.lengths, idle.mask())
    loss.backward()
    assert loss == 0
    missing = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert missing == []


def test_the_counts_are_saved_with_the_weights(model: LanguageModel) -> None:
    assert model.state_dict()["token_counts"].tolist() == COUNTS.tolist()
