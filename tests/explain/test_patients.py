"""Trainings with planted diseases, and healthy ones: the right verdict comes first, and cures are told from chance."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqloom.explain.explanation import explain
from tests.support.patients import CURED, PATIENTS, Patient

pytestmark = pytest.mark.slow

SEEDS = (1, 2, 3)
"""The thresholds were chosen on runs with other seeds."""


@pytest.mark.parametrize("patient", PATIENTS, ids=str)
def test_the_disease_is_named_first(patient: Patient, tmp_path: Path) -> None:
    """Of two of three seeds at least. Two of 36 runs were wrong: a short horizon that seemed healthy, since cutting its
    contexts to 20 tokens harmed it, and gates that a high learning rate had saturated."""
    named = []
    for seed in SEEDS:
        with patient.planted():
            run, data = patient.train(tmp_path / str(seed), seed)
            named.append(run.explain(data).findings[0][0].kind)
    print(patient, named)
    assert named.count(patient.disease) >= 2


@pytest.mark.parametrize("patient", CURED, ids=str)
def test_a_cure_works_and_a_repeat_does_not(patient: Patient, tmp_path: Path) -> None:
    with patient.planted():
        run, data = patient.train(tmp_path, SEEDS[0])
        explanation = explain([run], data, tries=1, folder=tmp_path)
    (trial,) = explanation.trials
    print(patient, trial.text)
    assert trial.works
