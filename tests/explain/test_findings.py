"""Verdicts on measurements that are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seqloom.explain.findings import findings
from seqloom.explain.measured import Measured
from seqloom.explain.measures.gradient_reach import GradientReach
from seqloom.explain.measures.health import Health

HEALTHY = Health([1, 2], [2.0, 1.0], [2.0, 1.0], 0.0, 0.0, 0.0, 0.0, [1.0] * 8, 0.0, 0.0, 0.01, 0.0)


def measured(decay: float, norms: list[float]) -> Measured:
    reach = GradientReach("layer", "hidden state", [0, 1], *([[1.0, decay]] * 4), decay, None, 1)  # type: ignore[arg-type]
    return Measured("lstm", "classify", "lstm", {}, {}, reach=[reach], health=replace(HEALTHY, gradient_norms=norms))


def test_a_run_without_a_fault_is_healthy() -> None:
    assert [finding.kind for finding in findings(measured(0.9, [1.0] * 8))] == ["healthy"]


@pytest.mark.parametrize(
    ("decay", "norms", "evidence"),
    [
        (1.1, [1.0] * 8, "by a factor of 1.1 a step"),
        (0.9, [1.0] * 7 + [50.0], "50 times the norm of the median"),
        (0.9, [1.0] * 7 + [float("inf")], "1 of 8 gradients are not finite"),
    ],
)
def test_exploding_gradients_are_told_by_what_was_seen(decay: float, norms: list[float], evidence: str) -> None:
    finding, *_ = findings(measured(decay, norms))
    assert finding.kind == "exploding gradients"
    assert evidence in finding.text
    assert ("by a factor of" in finding.text) == (decay > 1)
