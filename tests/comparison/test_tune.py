"""The search for settings: within the ranges, resumable, and of one reproducible order."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.texts import write_text

from seqloom.comparison import tune
from seqloom.comparison.spec import ComparisonSpec, make_spec
from seqloom.comparison.trainings import Runner, Settings, Training
from seqloom.config import flatten
from seqloom.errors import RequestError
from seqloom.run import make_settings
from seqloom.tasks.tuning import tuning_ranges

pytest.importorskip("optuna")


def test_ranges_lie_around_the_presets() -> None:
    settings = make_settings("language-model", "transformer", {})
    ranges, values = tuning_ranges(settings, with_sizes=True), flatten(settings)
    assert {"training.learning_rate", "model.model_dim", "output.dropout"} <= ranges.keys()
    for name, r in ranges.items():
        assert r.low <= values[name] <= r.high
        make_settings("language-model", "transformer", {name: r.rounded(r.low)})
        make_settings("language-model", "transformer", {name: r.rounded(r.high)})
    assert not any(name.endswith("model_dim") for name in tuning_ranges(settings, with_sizes=False))


@pytest.fixture
def spec(tmp_path: Path) -> ComparisonSpec:
    text = write_text(tmp_path / "text.txt", lines=60)
    return make_spec("language-model", text, None, None, ["rnn", "ngram"], 1, {"updates": 1}, 1, {}, tune=12)


def trained_here(
    monkeypatch: pytest.MonkeyPatch, trials: list[float], most: int = 1000
) -> Callable[[Settings], Runner]:
    """Trials whose score is how far the learning rate is from 2e-3."""

    def runner_with(settings: Settings) -> Runner:
        def run(trainings: Sequence[Training]) -> None:
            for training in trainings:
                rate = settings[training.name].get("training.learning_rate", 1e-3)
                training.folder.mkdir(parents=True, exist_ok=True)
                if not (training.folder / "rate").exists():
                    if len(trials) >= most:
                        raise KeyboardInterrupt
                    trials.append(rate)
                    (training.folder / "rate").write_text(str(rate))

        return run

    def summary(folder: Path) -> dict[str, Any]:
        distance = abs(math.log(float((folder / "rate").read_text()) / 2e-3))
        return {"score": "perplexity", "lower_is_better": True, "valid": {"perplexity": distance}, "seconds": 2.0}

    monkeypatch.setattr(tune, "read_summary", summary)
    return runner_with


def test_a_search_finds_better_settings_and_resumes(
    spec: ComparisonSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {name: spec.settings_of(name) for name in spec.models}
    whole: list[float] = []
    (tmp_path / "a").mkdir()
    tuned = tune.tuned_spec(spec, settings, tmp_path / "a", trained_here(monkeypatch, whole), quiet=True)
    assert tuned.models == ("rnn", "rnn (tuned)", "ngram")
    best = tuned.settings_of("rnn (tuned)")["training.learning_rate"]
    assert abs(math.log(best / 2e-3)) < abs(math.log(1e-3 / 2e-3))
    report = json.loads((tmp_path / "a" / "tuning.json").read_text())
    assert report.keys() == {"rnn"}
    assert report["rnn"]["seconds"] == 24.0
    assert report["rnn"]["trials"][0].keys() == {"point", "settings", "score", "seconds"}
    assert "0.4 minutes" in tune.tuning_note(12, report)
    assert whole[0] == 1e-3

    parts: list[float] = []
    (tmp_path / "b").mkdir()
    with pytest.raises(KeyboardInterrupt):
        tune.tuned_spec(spec, settings, tmp_path / "b", trained_here(monkeypatch, parts, most=5), quiet=True)
    assert tune.tuned_spec(spec, settings, tmp_path / "b", trained_here(monkeypatch, parts), quiet=True) == tuned
    assert parts == whole


def test_the_trials_of_several_models_run_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call of the runner, which may train several at a time, has one trial of every model that has settings."""
    text = write_text(tmp_path / "text.txt", lines=60)
    spec = make_spec("language-model", text, None, None, ["rnn", "gru", "ngram"], 1, {"updates": 1}, 1, {}, tune=3)
    settings = {name: spec.settings_of(name) for name in spec.models}
    calls: list[list[str]] = []

    def runner_with(settings: Settings) -> Runner:
        run = trained_here(monkeypatch, [])(settings)

        def counted_run(trainings: Sequence[Training]) -> None:
            calls.append([training.folder.name for training in trainings])
            run(trainings)

        return counted_run

    tune.tuned_spec(spec, settings, tmp_path, runner_with, quiet=True)
    assert calls == [[f"rnn-trial{number}", f"gru-trial{number}"] for number in (1, 2, 3)]


def test_tuning_over_folds_is_refused(tmp_path: Path) -> None:
    text = write_text(tmp_path / "text.txt", lines=60)
    with pytest.raises(RequestError, match="not tuned over folds"):
        make_spec("language-model", text, None, None, ["rnn"], 1, {"updates": 1}, 1, {}, folds=3, tune=2)
