"""Ridge regression over windows: maps stacked by their errors in the past, saved runs with and without shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import seqloom
from seqloom.data.series.panel import split_in_time
from seqloom.errors import SeqloomError
from seqloom.models.forecasting.linear_maps import Map, Shape
from seqloom.models.forecasting.ridge import Ridge, RidgeSettings
from seqloom.models.forecasting.stacking import stacked
from tests.models.forecasting.test_autoregression import panel_of
from tests.models.forecasting.test_network import seasonal


def back(weight: float) -> Map:
    """Forecasts y_{T+1} = (1 - weight) y_T + weight y_{T-1}."""
    return Map(Shape(2, 1, log=False, covariate_steps=0), np.array([[weight], [0.0], [0.0]]), np.ones(1))


def test_shares_minimise_the_squared_error_of_the_average() -> None:
    """Of white noise the best average of two values weighs both alike."""
    noise = np.random.default_rng(0).standard_normal(20_000)
    valid = split_in_time(panel_of(noise), 19_000, 0).valid
    assert stacked([back(0), back(1)], valid, 1) == pytest.approx([0.5, 0.5], abs=0.02)
    assert stacked([back(0), back(3)], valid, 1) == pytest.approx([5 / 6, 1 / 6], abs=0.02)
    assert stacked([back(0.5), back(-3)], valid, 1) == [1.0, 0.0]  # a share is not negative


def test_maps_without_errors_share_equally() -> None:
    valid = split_in_time(panel_of(np.full(50, 3.0)), 20, 0).valid
    assert stacked([back(0), back(1)], valid, 1) == [0.5, 0.5]


def test_shares_are_saved_and_runs_without_them_weigh_all_maps_alike(tmp_path: Path) -> None:
    path = seasonal(tmp_path)
    run = seqloom.train("forecast", path, model="ridge", out=tmp_path / "run", quiet=True, settings={"data.period": 4})
    shares = [fitted.share for fitted in run.model.maps]
    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0
    assert seqloom.load(tmp_path / "run").evaluate(path) == pytest.approx(run.evaluate(path))
    file = tmp_path / "run" / "model.safetensors"
    save_file({name: array for name, array in load_file(file).items() if name != "shares"}, file)
    assert {fitted.share for fitted in seqloom.load(tmp_path / "run").model.maps} == {1.0}


def test_a_saved_run_without_maps_is_damaged(tmp_path: Path) -> None:
    model = Ridge(RidgeSettings(), calibrate=False)
    model.maps = [back(1)]
    model.save(tmp_path)
    file = tmp_path / "model.safetensors"
    none = {name: array[:0] for name, array in load_file(file).items() if name in ("shapes", "shares", "deviation")}
    save_file(load_file(file) | none, file)
    with pytest.raises(SeqloomError, match="damaged"):
        model.open(tmp_path)
