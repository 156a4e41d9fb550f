"""The mixture of a network and classical models: fitted weights, averaged quantiles, saved and opened runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import seqloom
from seqloom.data.series.panel import split_in_time
from seqloom.models.forecasting.forecast import LEVELS
from seqloom.models.forecasting.mixture import ForecastMixture, MixtureSettings
from tests.models.forecasting.test_autoregression import panel_of, second_order
from tests.models.forecasting.test_network import network, seasonal

SETTINGS = {"data.period": 4, "data.horizon": 4, "model.hidden_size": 8, "training.evaluations": 2}


def mixture(*classics: str) -> ForecastMixture:
    return ForecastMixture(network(), MixtureSettings.model_validate({"classics": classics or ("ar",)})).eval()


def test_the_network_stands_alone_until_weights_are_fitted() -> None:
    mixed, history = mixture(), panel_of(second_order(60, 1)).history(0)
    (forecast,), (alone,) = mixed.forecasts([history], 3), mixed.network.forecasts([history], 3)
    assert np.array_equal(forecast.quantiles, alone.quantiles)


def test_weights_are_inverse_squares_of_validation_errors_and_quantiles_weighted_means() -> None:
    series = [second_order(60, seed, level=20.0) for seed in range(4)]
    panel = panel_of(*series, period=4)
    mixed = mixture("ar", "seasonal-naive")
    mixed.fit_weights(split_in_time(panel, 6, 0).valid, 3)
    weights = mixed.weights.numpy()
    assert weights.sum() == pytest.approx(1)
    assert weights[1] == weights.max()  # an autoregression, against an untrained network and the last season
    history = panel.history(2)
    parts = [next(iter(part.forecasts([history], 3))) for part in (mixed.network, *mixed.classics)]
    (forecast,) = mixed.forecasts([history], 3, paths=50)
    assert forecast.quantiles == pytest.approx(sum(w * p.quantiles for w, p in zip(weights, parts, strict=True)))
    assert forecast.point == pytest.approx(sum(w * p.point for w, p in zip(weights, parts, strict=True)))
    assert forecast.paths is not None
    assert forecast.paths.shape == (50, 3)
    low, high = forecast.quantiles[:, LEVELS.index(0.025)], forecast.quantiles[:, LEVELS.index(0.975)]
    assert ((low <= forecast.paths) & (forecast.paths <= high)).mean() > 0.8


def test_equal_weights_without_a_whole_horizon_to_validate_on() -> None:
    panel = panel_of(second_order(30, 1))
    mixed = mixture()
    mixed.fit_weights(split_in_time(panel, 2, 0).valid, 3)
    assert mixed.weights.tolist() == [0.5, 0.5]


def test_a_run_trains_opens_and_forecasts(tmp_path: Path) -> None:
    path = seasonal(tmp_path)
    run = seqloom.train(
        "forecast", path, model="mix", updates=12, out=tmp_path / "run", quiet=True,
        settings=SETTINGS | {"mixture.classics": "ar,seasonal-naive"},
    )  # fmt: skip
    opened = seqloom.load(tmp_path / "run")
    assert len(opened.model.weights) == 3
    assert opened.model.weights.tolist() == run.model.weights.tolist()
    assert 0 < opened.model.weights[0] < 1
    assert opened.evaluate(path) == pytest.approx(run.summary["test"])
    rows = list(opened.forecast(paths=3))
    assert len(rows) == 6 * 4
    assert len(list(opened.anomalies())) > 6


def test_an_unknown_classic_is_refused(tmp_path: Path) -> None:
    with pytest.raises(seqloom.errors.RequestError, match="classics"):
        seqloom.train(
            "forecast", seasonal(tmp_path), model="mix", updates=1, out=tmp_path / "run", quiet=True,
            settings={"mixture.classics": "prophet"},
        )  # fmt: skip
