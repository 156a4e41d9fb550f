"""Scores that a training reports equal those of the answers of its run, also where it was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import seqloom
from seqloom.metrics.label_sets import LabelCounts
from seqloom.metrics.regression import regression_scores
from tests.support.labelled import LABELS, write_labelled
from tests.support.sentences import write_sentences
from tests.support.small_runs import signal_after
from tests.support.small_tasks import SMALL_TASKS
from tests.support.targets import write_label_sets, write_numbers


def columns(path: str) -> tuple[list[str], list[str]]:
    rows = [line.split("\t") for line in Path(path).read_text().splitlines()]
    return [row[0] for row in rows], [row[1] for row in rows]


def of_classes(run: seqloom.Run, valid: str) -> float:
    labels, texts = columns(valid)
    return float(np.mean([label == answer for label, answer in zip(labels, run.predict(texts), strict=True)]))


def of_sets(run: seqloom.Run, valid: str) -> float:
    labels, texts = columns(valid)
    expected, predicted = (
        np.array([[label in text.split("|") for label in LABELS] for text in side])
        for side in (labels, run.predict(texts))
    )
    return LabelCounts.of(expected, predicted).micro_f1


def of_numbers(run: seqloom.Run, valid: str) -> float:
    numbers, texts = columns(valid)
    predicted = np.array(list(map(float, run.predict(texts))))
    return regression_scores(np.array(list(map(float, numbers))), predicted)["rmse"]


def of_tags(run: seqloom.Run, valid: str) -> float:
    expected = [line.split()[1] for line in Path(valid).read_text().splitlines() if line.strip()]
    predicted = [tag for (answer,) in run.answers(list(run.inputs(valid))) for tag in answer.tags]  # type: ignore[attr-defined]
    return float(np.mean([tag == answer for tag, answer in zip(expected, predicted, strict=True)]))


class Case(NamedTuple):
    like: str
    write: Callable[..., str]
    metric: str
    recomputed: Callable[[seqloom.Run, str], float]
    settings: dict[str, Any] = {}  # noqa: RUF012, read only


CASES = {
    "classes": Case("classify", write_labelled, "accuracy", of_classes),
    "classes by a bag": Case("classify bow", write_labelled, "accuracy", of_classes),
    "sets of labels": Case("classify", write_label_sets, "micro_f1", of_sets, {"data.target": "labels"}),
    "numbers": Case("classify", write_numbers, "rmse", of_numbers, {"data.target": "number"}),
    "tags": Case("tag", write_sentences, "accuracy", of_tags),
}


@pytest.mark.parametrize("interrupted", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_reported_scores_are_those_of_the_answers(
    name: str, interrupted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    small = SMALL_TASKS[case.like]
    data, valid = case.write(tmp_path / "data.tsv"), case.write(tmp_path / "valid.tsv", 40, seed=8)
    if interrupted:
        signal_after(monkeypatch, updates=12)
    run = seqloom.train(
        case.like.partition(" ")[0], data, model=small.model, valid=valid, updates=20, out=tmp_path / "run",
        threads=1, quiet=True, settings={**small.settings, **case.settings, "training.checkpoint_seconds": 3600},
    )  # fmt: skip
    summary = run.summary
    assert summary["finished"] is not interrupted
    reported = summary["valid"][case.metric]
    assert reported == pytest.approx(case.recomputed(run, valid), rel=1e-4)
    assert seqloom.load(run.folder).evaluate(valid)[case.metric] == summary["valid"][case.metric]
