"""Decisions: in the order given, as if each were alone; temperatures that make held-out classes more probable."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seqloom.decoding import decision
from seqloom.decoding.alignment import Alignment
from seqloom.decoding.decision import Decision, decide, fit_temperature
from seqloom.models.class_model import ClassLogits, ClassModel
from seqloom.models.target_outputs import ClassOutput


class Sums(ClassModel):
    """Logits from the sum of a row's real ids; attention to its last element."""

    def forward(self, source: Tensor, lengths: Tensor | None = None) -> ClassLogits:
        assert lengths is not None
        real = torch.arange(source.shape[1]) < lengths[:, None]
        total = (source * real).sum(1).float()
        attention = F.one_hot(lengths - 1, source.shape[1]).float()
        return ClassLogits(torch.stack([total, -total, total.new_zeros(len(total))], dim=1) / 10, attention)


def test_decisions_keep_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision, "_ELEMENTS_AT_ONCE", 12)
    monkeypatch.setattr("seqloom.decoding.batching._WINDOW", 7)
    rows = [np.arange(n % 5 + 1) * (-1) ** n for n in range(20)]
    model = Sums(ClassOutput(torch.ones(3)), 0.0)
    model.temperature.fill_(2.0)
    for row, decided in zip(rows, decide(model, rows, torch.device("cpu")), strict=True):
        total = torch.tensor([row.sum(), -row.sum(), 0.0])
        np.testing.assert_allclose(decided.outputs, torch.log_softmax(total / 20, 0), atol=1e-6)
        assert decided.attention is not None
        assert decided.attention.tolist() == [0.0] * (len(row) - 1) + [1.0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_temperature_is_found_again(temperature: float) -> None:
    logits = 3 * torch.randn(20_000, 4)
    class_ids = torch.distributions.Categorical(logits=logits / temperature).sample()
    assert fit_temperature(logits, class_ids) == pytest.approx(temperature, rel=0.05)


def test_it_makes_held_out_classes_more_probable() -> None:
    logits, class_ids = 5 * torch.randn(300, 3), torch.randint(3, (300,))
    fitted = fit_temperature(logits, class_ids)
    assert F.cross_entropy(logits / fitted, class_ids) < F.cross_entropy(logits, class_ids)


def test_a_few_right_answers_make_nobody_certain() -> None:
    fitted = fit_temperature(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 0]))
    assert 0.4 < fitted < 1


def test_an_answer_as_json() -> None:
    plain = Decision("a", 0.25, math.log(0.25))
    assert plain.to_json() == {"label": "a", "probability": 0.25}
    shown = plain._replace(alignment=Alignment(["x", "y"], ["a"], np.array([[0.5, 0.5]]))).to_json()
    assert shown["alignment"]["weights"] == [[0.5, 0.5]]
