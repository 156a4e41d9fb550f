"""The language-model task: presets that fit, memory that is bounded, metrics that agree with each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seqloom.config import flatten
from seqloom.data.token_file import TokenFile
from seqloom.data.tokenizer import EOS, SOS
from seqloom.errors import RequestError
from seqloom.run import make_settings
from seqloom.tasks import tasks
from seqloom.tasks.task import Loss

TASK = tasks["language-model"]


@pytest.mark.parametrize("mode", ["stream", "lines"])
@pytest.mark.parametrize("kind", ["word", "character", "bpe", "unigram"])
def test_every_preset_is_possible(kind: str, mode: str) -> None:
    for model in TASK.models():
        settings = make_settings("language-model", model, {"tokenizer.kind": kind, "data.mode": mode})
        assert flatten(settings)["tokenizer.kind"] == kind


@pytest.mark.parametrize("model", TASK.models())
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
