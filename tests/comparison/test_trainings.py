"""Trainings that got too little processor time are trained again, unless the machine is busy all the time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.texts import write_text

from seqloom.comparison.spec import make_spec
from seqloom.comparison.trainings import Training, plan_trainings, train_all


def summary(share: float) -> str:
    numbers = {"updates": 1, "best_updates": 1, "parameters": 1, "seconds": 60.0, "targets_per_second": 1.0}
    numbers |= {"threads": 1, "peak_memory_bytes": 1, "processor_share": share}
    words = {"task": "language-model", "model": "rnn", "score": "perplexity"}
    scores = {"valid": {"perplexity": 9.0}, "test": None}
    return json.dumps({**numbers, **words, **scores, "finished": True, "lower_is_better": True})


@pytest.mark.parametrize(
    ("shares", "again"),
    [
        ({"rnn": 0.95, "gru": 0.5}, ["gru"]),
        ({"rnn": 0.95, "gru": 0.9}, []),
        ({"rnn": 0.5, "gru": 0.2}, []),
    ],
    ids=["one was slow", "none was slow", "the machine was busy"],
)
def test_a_slow_training_is_repeated_once(tmp_path: Path, shares: dict[str, float], again: list[str]) -> None:
    text = write_text(tmp_path / "text.txt")
    spec = make_spec("language-model", text, None, None, ["rnn", "gru"], 1, {"minutes": 1.0}, 1, {})
    trainings = plan_trainings(spec, tmp_path)
    rounds: list[list[str]] = []

    def run(requested: Sequence[Training]) -> None:
        rounds.append([training.name for training in requested])
        for training in requested:
            training.folder.mkdir(parents=True)
            (training.folder / "summary.json").write_text(summary(shares.get(training.name, 1.0)), encoding="utf-8")

    for _ in range(2):  # the second time, as if the same command was given again
        train_all(spec, trainings, run, quiet=True)
    assert [names for names in rounds[1:] if names] == ([again] if again else [])
