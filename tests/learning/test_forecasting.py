"""Generated worlds whose answer is known: the verdict on forecasting models must be the right one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqloom
from seqloom.comparison.forecasts import forecast_verdict
from seqloom.metrics.forecasting import ForecastScores

pytestmark = pytest.mark.slow


def write(path: Path, series: Sequence[Sequence[float]], announced: Sequence[Sequence[float]] | None = None) -> Path:
    lines = ["series,step,value" + (",ask" if announced is not None else "")]
    for number, values in enumerate(series):
        for step, value in enumerate(values):
            ask = f",{announced[number][step]:g}" if announced is not None else ""
            lines.append(f"s{number},{step},{value:.5f}{ask}")
    path.write_text("\n".join(lines) + "\n")
    return path


def scores(path: Path, folder: Path, model: str, updates: int = 600, **settings: Any) -> ForecastScores:
    run = seqloom.train(
        "forecast", path, model=model, updates=updates, out=folder / f"{model}-run", quiet=True, threads=1,
        settings={name.replace("__", "."): value for name, value in settings.items()},
    )  # fmt: skip
    return run.backtest(path)


@pytest.mark.parametrize("seed", range(4))
def test_a_season_is_found_and_beats_the_last_value(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = 20 + 6 * np.sin(np.arange(300) * np.pi / 6) + rng.standard_normal(300)
    path = write(tmp_path / "season.csv", [values.tolist()])
    settings = {"data__period": 12, "data__horizon": 6, "data__test_steps": 72, "data__origins": 60}
    verdict = forecast_verdict({m: scores(path, tmp_path, m, **settings) for m in ("naive", "ar")})
    assert "ar forecasts best" in verdict
    assert "ar beats the naive forecasts" in verdict


@pytest.mark.parametrize("seed", range(4))
def test_nothing_beats_the_last_value_of_a_random_walk(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(10 + seed)
    walks = [np.cumsum(rng.standard_normal(120)).tolist() for _ in range(40)]
    path = write(tmp_path / "walk.csv", walks)
    results = {m: scores(path, tmp_path, m, data__horizon=3) for m in ("naive", "ar", "gru")}
    assert "Nothing beats naive significantly" in forecast_verdict(results)


@pytest.mark.parametrize("seed", range(3))
def test_a_memory_longer_than_a_window_needs_a_recurrent_network(tmp_path: Path, seed: int) -> None:
    """Every 40 steps a cue of 4 or -4 comes; the last five steps before the next repeat it, and are announced."""
    rng, series, asks = np.random.default_rng(20 + seed), [], []
    for _ in range(40):
        values, ask = 0.3 * rng.standard_normal(400), np.zeros(400)
        for start in range(0, 400, 40):
            cue = 4.0 * rng.choice([-1, 1])
            values[start] = cue
            values[start + 35 : start + 40] += cue
            ask[start + 35 : start + 40] = 1
        series.append(values.tolist())
        asks.append(ask.tolist())
    path = write(tmp_path / "cue.csv", series, asks)
    settings: dict[str, Any] = {
        "data__horizon": 1, "data__target": ["value"], "data__ahead": ["ask"], "data__test_steps": 40,
        "data__origins": 40, "window__level": "none",
    }  # fmt: skip
    window = scores(path, tmp_path, "ffnn", 1_500, window__context=32, **settings)
    memory = scores(path, tmp_path, "gru", 1_500, window__context=80, **settings)
    linear = scores(path, tmp_path, "ar", **{n: v for n, v in settings.items() if not n.startswith("window")})
    verdict = forecast_verdict({"ffnn": window, "gru": memory, "ar": linear})
    assert "gru forecasts best" in verdict
    assert "A recurrent network (gru) beats an autoregression (ar)" in verdict


@pytest.mark.parametrize("seed", range(3))
def test_a_pattern_that_short_series_share_is_learnt_by_one_model_of_all(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(30 + seed)
    shape = np.cumsum(rng.standard_normal(60))
    series = []
    for _ in range(200):
        start = int(rng.integers(0, 30))
        series.append((5 + rng.lognormal() * (shape[start : start + 30] + 0.1 * rng.standard_normal(30))).tolist())
    path = write(tmp_path / "shared.csv", series)
    results = {
        model: scores(path, tmp_path, model, 2_000, data__horizon=5, **settings)
        for model, settings in (("naive", {}), ("ar", {}), ("ffnn", {"window__context": 12}))
    }
    verdict = forecast_verdict(results)
    assert "ffnn forecasts best" in verdict
    assert "One model of all series (ffnn) beats one for each (ar)" in verdict
