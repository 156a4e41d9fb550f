"""The language-model task: presets that fit, memory that is bounded, metrics that agree with each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqloom.config import flatten
from seqloom.data.batches import StreamLoader
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, SOS
from seqloom.errors import RequestError
from seqloom.nn.layer import detach
from seqloom.run import make_settings
from seqloom.tasks import tasks
from seqloom.tasks.language_model_settings import PRESETS
from seqloom.tasks.network_task import Loss

TASK = tasks["language-model"]


@pytest.mark.parametrize("mode", ["stream", "lines"])
@pytest.mark.parametrize("kind", ["word", "character", "bpe", "unigram"])
def test_every_preset_is_possible(kind: str, mode: str) -> None:
    for model in set(TASK.models()) - {"mix"}:  # which has the tokenizer of its parts
        settings = make_settings("language-model", model, {"tokenizer.kind": kind, "data.mode": mode})
        assert flatten(settings)["tokenizer.kind"] == kind


@pytest.mark.parametrize("model", PRESETS)
def test_what_is_asked_for_wins_over_the_preset(model: str) -> None:
    asked = {"embedding.dim": 7, "training.learning_rate": 0.5, "output.dropout": 0.0}
    flat = flatten(make_settings("language-model", model, asked))
    assert {name: flat[name] for name in asked} == asked


def test_a_transformer_on_a_stream_forgets() -> None:
    assert flatten(make_settings("language-model", "transformer", {}))["model.window"] > 0
    with pytest.raises(RequestError, match="without end") as refused:
        make_settings("language-model", "transformer", {"model.window": 0})
    assert refused.value.where == "model.window"
    lines = make_settings("language-model", "transformer", {"model.window": 0, "mode": "lines"})
    assert flatten(lines)["model.window"] == 0


def test_metrics_are_one_number_in_other_units() -> None:
    tokens = TokenFile(np.arange(10, dtype=np.uint16), np.array([0, 10]), num_bytes=40, num_unknown=2)
    metrics = TASK.metrics(Loss(torch.tensor(30.0, dtype=torch.float64), torch.tensor(10)), tokens)
    assert metrics["perplexity"] == pytest.approx(math.exp(3))
    assert 2 ** metrics["bits_per_token"] == pytest.approx(metrics["perplexity"])
    assert metrics["bits_per_byte"] * 40 == pytest.approx(metrics["bits_per_token"] * 10)
    assert (metrics["tokens"], metrics["unknown"]) == (10, 2)


def test_a_hopeless_loss_is_still_a_number() -> None:
    tokens = TokenFile(np.arange(10, dtype=np.uint16), np.array([0, 10]), num_bytes=40, num_unknown=0)
    assert math.isfinite(TASK.metrics(Loss(torch.tensor(1e9), torch.tensor(10)), tokens)["perplexity"])


@pytest.mark.parametrize(("mode", "first"), [("lines", SOS), ("stream", EOS)])
def test_what_stands_before_a_text(mode: str, first: int) -> None:
    settings = make_settings("language-model", "lstm", {"data.mode": mode})
    assert TASK.first_input(settings) == first  # type: ignore[attr-defined]


def gradients(loss: Tensor, model: nn.Module) -> dict[str, Tensor]:
    """Zeros where the loss does not depend on a parameter."""
    parameters = dict(model.named_parameters())
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(parameters, found, strict=True))


@pytest.mark.parametrize(("horizon", "advance"), [(8, 8), (8, 3), (8, 1), (5, 4)])
def test_gradients_reach_back_as_far_as_the_horizon(horizon: int, advance: int) -> None:
    """Loss and gradient of every batch are those of a run over the whole text, cut `horizon` steps before its end."""
    settings = make_settings(
        "language-model",
        "lstm",
        {"model.hidden_size": 5, "embedding.dim": 4, "output.dropout": 0.0, "embedding.dropout": 0.0},
    )
    torch.manual_seed(0)
    tensors = {"token_counts": torch.arange(20)}
    model = TASK.rebuild(tensors, "lstm", settings).double()
    text = TokenFile(np.random.default_rng(0).integers(4, 20, 60).astype(np.uint16), np.array([0, 60]), 60, 0)
    loader = StreamLoader(text, batch_size=2, horizon=horizon, seed=1, advance=advance)
    whole = StreamLoader(text, batch_size=2, horizon=60, seed=1)
    parts = [whole.batch(0, step) for step in range(whole.num_steps(0))]
    inputs, targets = (torch.cat([getattr(part, name) for part in parts], dim=1) for name in ("inputs", "targets"))
    state, begin, scored = None, 0, 0
    for step in range(loader.num_steps(0)):
        batch = loader.batch(0, step)
        stop = begin + batch.inputs.shape[1]
        loss, state = TASK.loss(model, batch, None if state is None else detach(state))  # type: ignore[arg-type]
        found = gradients(loss.sum, model)
        with torch.no_grad():
            _, before = model(inputs[:, :begin]) if begin else (None, None)
        mask = (torch.arange(begin, stop) >= scored).expand(2, -1)
        expected, _ = model.loss(inputs[:, begin:stop], targets[:, begin:stop], before, None, mask)
        torch.testing.assert_close(loss.sum, expected)
        assert int(loss.count) == int(mask.sum())
        for name, expected_gradient in gradients(expected, model).items():
            if begin or ".start_" not in name:  # a state that was carried leads to no first memories
                torch.testing.assert_close(found[name], expected_gradient)
        begin, scored = stop if batch.carry is None else begin + batch.carry, stop


def test_a_batch_has_no_more_new_steps_than_its_horizon() -> None:
    with pytest.raises(RequestError, match="gradients reach back") as refused:
        make_settings("language-model", "lstm", {"data.horizon": 8, "data.advance": 9})
    assert refused.value.where == "data.advance"
