"""Verdicts on measurements that are known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seqloom.explain.findings import RULES, Finding, findings
from seqloom.explain.measured import Measured
from seqloom.explain.measures.dependence import LongerContext
from seqloom.explain.measures.gradient_reach import GradientReach
from seqloom.explain.measures.health import Health
from seqloom.explain.measures.memory_length import curve_of
from seqloom.explain.prescriptions import _CURES

HEALTHY = Health(
    [1, 2, 3, 4], [2.0, 1.0, 0.9, 0.9], [2.0, 1.0, 1.0, 1.0], 5.0, 0.0, 0.0, 0.0, 0.0, [1.0] * 4, [2.0] * 4, [0.0] * 4,
    [1.0] * 8, 0.0, 0.01, 0.03, 1.2,
)  # fmt: skip


def measured(health: Health = HEALTHY, decay: float = 0.9, **others: Any) -> Measured:
    reach = GradientReach("layer", "hidden state", [0, 1], *([[1.0, decay]] * 4), decay, None, 1)  # type: ignore[arg-type]
    settings = {"training.learning_rate": 0.3}
    return Measured("lstm", "classify", "lstm", settings, {}, reach=[reach], health=health, chance=2.0, **others)


def first(health: Health = HEALTHY, **others: Any) -> Finding:
    return findings(measured(health, **others))[0]


def test_the_rules_are_gravest_first_and_every_one_has_a_cure() -> None:
    assert [rule.gravity for rule in RULES] == sorted((rule.gravity for rule in RULES), reverse=True)
    assert {rule.kind for rule in RULES} == set(_CURES)


def test_a_run_without_a_fault_is_healthy() -> None:
    assert first().kind == "healthy"
    assert first(decay=1.1).kind == "healthy"  # gradients that grow and are not large are no harm


def test_exploding_gradients_are_told_by_their_size_where_nothing_clips_them() -> None:
    large = replace(HEALTHY, largest_norms=[2.0, 900.0])
    finding = first(large, decay=1.1)
    assert finding.kind == "exploding gradients"
    assert "norm of 900" in finding.text
    assert "by a factor of 1.1 a step" in finding.text
    assert "by a factor of" not in first(large).text
    assert first(replace(large, clip_norm=1.0)).kind == "healthy"
    assert first(replace(HEALTHY, largest_norms=[], probe_norms=[1.0, math.inf])).kind == "exploding gradients"


def test_a_large_step_is_a_fault_where_the_training_fails() -> None:
    large = replace(HEALTHY, first_step=3.0, growth=9.0)
    assert first(large).kind == "healthy"
    assert first(replace(large, valid=[2.0, 2.1, 2.0, 1.95])).kind == "learning rate too high"
    assert first(replace(large, rises=0.6)).kind == "learning rate too high"


def test_over_fitting_is_a_rise_that_counts() -> None:
    risen = replace(HEALTHY, valid=[2.0, 1.0, 1.1, 1.3], overfit=0.3, gap=0.5)
    assert first(risen).kind == "over-fitting"
    assert first(replace(risen, valid=[2.0, 0.01, 0.011, 0.013])).kind == "healthy"


def test_a_loss_that_falls_to_the_end_is_under_training() -> None:
    assert "still falling" in first(replace(HEALTHY, late_gain=0.4)).text
    assert first(replace(HEALTHY, updates=[1, 2], valid=[2.0, 1.0], epochs=0.3)).kind == "under-training"


@pytest.mark.parametrize("valid", [[2.0, 1.99, 1.985, 1.99], [2.0, 1.2, 1.1, 1.05], [1.5]])
def test_less_than_one_pass_is_under_training_however_often_it_was_validated(valid: list[float]) -> None:
    started = replace(HEALTHY, updates=list(range(1, len(valid) + 1)), valid=valid, epochs=0.02)
    assert first(started).kind == "under-training"
    assert "0.02 passes" in first(started).text
    assert first(replace(started, epochs=1.0)).kind == "healthy"


def test_a_loss_that_no_longer_falls_within_the_first_pass_is_no_under_training() -> None:
    assert first(replace(HEALTHY, valid=[2.0, 1.0, 0.9, 0.905], epochs=0.5)).kind == "healthy"


def test_a_short_horizon_matters_where_the_text_needs_more_and_the_model_uses_less() -> None:
    longer = LongerContext(5, 20, 1.0, 0.2, 0.001)
    curve = curve_of([1, 2, 4], np.array([[2.0, 2.1], [1.0, 1.1], [1.0, 1.1]]), "tokens", "nats")
    finding = first(longer=longer, curve=curve)
    assert finding.kind == "horizon too short"
    assert "Gradients are cut after 5 steps" in finding.text
    assert first(longer=replace(longer, gain=0.01), curve=curve).kind == "healthy"
    assert first(longer=longer, curve=replace(curve, memory_length=20)).kind == "healthy"
