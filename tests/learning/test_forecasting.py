"""Generated worlds whose answer is known: `compare forecast` must give it, in its sentences and in `report.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import seqloom
from seqloom.cli.main import app
from seqloom.comparison import trainings

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings run here and not in processes of their own, whose start takes longer than these trainings."""

    def run_training(arguments: Sequence[str], title: str, quiet: bool = False) -> None:
        result = CliRunner().invoke(app, ["train", *arguments])
        assert result.exit_code == 0, (title, quiet, result.output)

    monkeypatch.setattr(trainings, "run_training", run_training)


def write(path: Path, series: Sequence[Sequence[float]], announced: Sequence[Sequence[float]] | None = None) -> Path:
    lines = ["series,step,value" + (",ask" if announced is not None else "")]
    for number, values in enumerate(series):
        for step, value in enumerate(values):
            ask = f",{announced[number][step]:g}" if announced is not None else ""
            lines.append(f"s{number},{step},{value:.5f}{ask}")
    path.write_text("\n".join(lines) + "\n")
    return path


class Verdict:
    """What `compare` reports: the sentences, and the answers of `report.json` by topic."""

    def __init__(self, path: Path, models: Sequence[str], updates: int, **settings: Any) -> None:
        folder = path.parent / "compared"
        seqloom.compare(
            "forecast", path, models=models, updates=updates, out=folder, quiet=True, threads=1, settings=settings
        )
        report = json.loads((folder / "report.json").read_text())
        self.leader, self.sentence = report["leader"], report["verdict"]
        self.answers = {answer["topic"]: answer for answer in report["answers"]}

    def shows(self, topic: str, claim: str, better: str, worse: str) -> bool:
        answer = self.answers[topic]
        return (
            answer["text"].startswith(f"{claim}: {better} is ahead of {worse}")
            and (answer["better"], answer["worse"], answer["told_apart"]) == (better, worse, True)
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_a_season_is_found_and_beats_the_last_value(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = 20 + 6 * np.sin(np.arange(300) * np.pi / 6) + rng.standard_normal(300)
    path = write(tmp_path / "season.csv", [values.tolist()])
    settings = {"data.period": 12, "data.horizon": 6, "data.test_steps": 72, "data.origins": 60}
    verdict = Verdict(path, ["ar"], 1, **settings)
    assert verdict.sentence.startswith("ar won"), verdict.sentence
    assert verdict.shows("Naive forecasts", "a model beats the naive forecasts", "ar", "seasonal-naive"), (
        verdict.answers
    )


@pytest.mark.parametrize("seed", range(10, 14))
def test_nothing_beats_the_last_value_of_a_random_walk(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    walks = [np.cumsum(rng.standard_normal(120)).tolist() for _ in range(40)]
    path = write(tmp_path / "walk.csv", walks)
    verdict = Verdict(path, ["ar", "gru"], 300, **{"data.horizon": 3})
    assert not verdict.answers["Naive forecasts"]["told_apart"] or verdict.leader in ("naive", "seasonal-naive")
    assert " won" not in verdict.sentence or verdict.leader in ("naive", "seasonal-naive"), verdict.sentence


@pytest.mark.parametrize("seed", range(20, 23))
def test_a_memory_longer_than_a_window_needs_a_recurrent_network(tmp_path: Path, seed: int) -> None:
    """Every 56 steps a cue of 4 or -4 comes; the last twelve steps before the next repeat it, and are announced. From
    an origin 33 to 44 steps after the cue, a window of 32 steps shows neither the cue nor what repeats it."""
    rng, series, asks = np.random.default_rng(seed), [], []
    for _ in range(40):
        values, ask = 0.3 * rng.standard_normal(448), np.zeros(448)
        for start in range(0, 448, 56):
            cue = 4.0 * rng.choice([-1, 1])
            values[start] = cue
            values[start + 44 : start + 56] += cue
            ask[start + 44 : start + 56] = 1
        series.append(values.tolist())
        asks.append(ask.tolist())
    path = write(tmp_path / "cue.csv", series, asks)
    settings: dict[str, Any] = {
        "data.horizon": 12, "data.target": ["value"], "data.ahead": ["ask"], "data.test_steps": 68,
        "gru:window.context": 64, "ffnn:window.context": 32, "gru:model.hidden_size": 64,
        **{f"{model}:window.level": "none" for model in ("gru", "ffnn")},
        **{f"{model}:training.learning_rate": 0.005 for model in ("gru", "ffnn")},
    }  # fmt: skip
    verdict = Verdict(path, ["ffnn", "gru", "ar"], 900, **settings)
    assert verdict.sentence.startswith("gru won"), verdict.sentence
    assert verdict.shows("Memory", "a recurrent network beats a window of the last elements", "gru", "ffnn")
    assert verdict.shows("Autoregression", "a recurrent network beats an autoregression", "gru", "ar")


@pytest.mark.parametrize("seed", range(30, 33))
def test_a_pattern_that_short_series_share_is_learnt_by_one_model_of_all(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = np.cumsum(rng.standard_normal(60))
    series = []
    for _ in range(200):
        start = int(rng.integers(0, 30))
        series.append((5 + rng.lognormal() * (shape[start : start + 30] + 0.1 * rng.standard_normal(30))).tolist())
    path = write(tmp_path / "shared.csv", series)
    verdict = Verdict(path, ["ar", "ffnn"], 500, **{"data.horizon": 5, "ffnn:window.context": 12})
    assert verdict.sentence.startswith("ffnn won"), verdict.sentence
    assert verdict.shows("One model of all series", "one model of all series beats one for each", "ffnn", "ar")
