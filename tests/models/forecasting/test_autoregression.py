"""Autoregressions in closed form: equal to plain least squares, right on series whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from seqloom.data.series.frequency import Frequency
from seqloom.data.series.panel import Panel, all_steps
from seqloom.models.forecasting.ar import Autoregressive
from seqloom.models.forecasting.ar_settings import AutoregressionSettings
from seqloom.models.forecasting.calibration import NEUTRAL, calibrated, factors
from seqloom.models.forecasting.forecast import LEVELS, MEDIAN, Forecast
from seqloom.models.forecasting.naive import Drift, Naive, NaiveSettings, SeasonalNaive
from seqloom_portable.autoregression import Candidate, fit
from seqloom_portable.combination import past_origins
from seqloom_portable.least_squares import difference, difference_polynomial

NONE = np.zeros(0, np.int64)
PLAIN = {"transform": "none", "differences": 0, "trend": False}


def second_order(steps: int, seed: int, level: float = 0.0) -> NDArray[np.float64]:
    """y_t = 1.2 y_{t-1} - 0.5 y_{t-2} + e_t around a level."""
    noise = np.random.default_rng(seed).standard_normal(steps + 100)
    values = np.zeros(steps + 100)
    for t in range(2, steps + 100):
        values[t] = 1.2 * values[t - 1] - 0.5 * values[t - 2] + noise[t]
    return values[100:] + level


def panel_of(*series: NDArray[np.float64], period: int = 1) -> Panel:
    lengths = [len(values) for values in series]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    nothing = np.zeros((int(offsets[-1]), 0))
    zeros = np.zeros(len(series), np.int64)
    return Panel(
        [f"s{n}" for n in range(len(series))], zeros, offsets, np.concatenate(series), nothing, nothing[:0],
        np.zeros(len(series) + 1, np.int64), np.zeros((len(series), 0)), Frequency("step", 1), period,
    )  # fmt: skip


def model(period: int = 1, **settings: object) -> Autoregressive:
    forecaster = Autoregressive(AutoregressionSettings.model_validate(settings), calibrate=True)
    forecaster.period = period
    return forecaster


def test_coefficients_and_errors_are_those_of_plain_least_squares() -> None:
    values = second_order(300, 3, level=7.0)
    fitted = fit(values, Candidate(), 1, 4, NONE, 2)
    assert fitted is not None
    lagged = np.stack([np.ones(298), values[1:-1] - fitted.center, values[:-2] - fitted.center], axis=1)
    targets = values[2:] - fitted.center
    expected, (residual,), *_ = np.linalg.lstsq(lagged, targets)
    assert fitted.coefficients == pytest.approx(expected, abs=1e-6)
    assert fitted.variance == pytest.approx(residual / (298 - 3), rel=1e-6)
    assert fitted.errors() == pytest.approx(
        np.sqrt(fitted.variance * np.diag(np.linalg.inv(lagged.T @ lagged))), rel=1e-5
    )


def test_forecasts_continue_the_recursion_and_undo_differences() -> None:
    values = np.exp(0.02 * np.arange(60) + np.tile([0.0, 0.3, -0.2, 0.1], 15))
    fitted = fit(values, Candidate(power=0.0, differences=1, seasonal_differences=1), 4, 8, NONE, 0)
    assert fitted is not None
    expected = np.exp(0.02 * np.arange(60, 68) + np.tile([0.0, 0.3, -0.2, 0.1], 2))
    assert fitted.forecast(values, 8) == pytest.approx(expected, rel=1e-6)


def test_the_polynomial_of_differences_is_what_differences_do() -> None:
    values = np.random.default_rng(0).standard_normal(40)
    polynomial = difference_polynomial(1, 1, 4)
    assert difference(values, 1, 1, 4) == pytest.approx(np.convolve(values, polynomial, "valid"))


def test_rolling_forecasts_are_those_of_fits_that_end_earlier() -> None:
    values = second_order(120, 1)
    origins = past_origins(120, 1, 5, 6)
    rolled = fit(values, Candidate(trend=True), 1, 5, origins, 4)
    assert rolled is not None
    for origin, past in zip(origins, rolled.past, strict=True):
        alone = fit(values[:origin], Candidate(trend=True), 1, 5, NONE, 4)
        assert alone is not None
        assert past == pytest.approx(alone.forecast(values[:origin], 5), abs=1e-6)


@pytest.mark.parametrize(("criterion", "steps", "share"), [("hqc", 60, 0.75), ("hqc", 200, 0.75), ("bic", 200, 0.9)])
def test_the_criterion_finds_the_order(criterion: str, steps: int, share: float) -> None:
    forecaster = model(**PLAIN, criterion=criterion, origins=1)
    orders = []
    for seed in range(60):
        fitted = forecaster.combine(second_order(steps, seed), 5)
        assert fitted is not None
        orders.append(fitted.fits[0].order)
    assert np.mean(np.array(orders) == 2) >= share


def test_the_order_is_that_with_the_least_value_of_the_criterion() -> None:
    values = second_order(80, 5)
    targets, rows, penalised = values[6:] - values.mean(), 74, []
    for order in range(7):
        lagged = [values[6 - k : -k] - values.mean() for k in range(1, order + 1)]
        matrix = np.stack([np.ones(rows), *lagged], axis=1)
        residual = targets - matrix @ np.linalg.lstsq(matrix, targets)[0]
        k = order + 2
        penalised.append(rows * np.log(residual @ residual / rows) + 2 * k * rows / (rows - k - 1))
    fitted = fit(values, Candidate(), 1, 4, NONE, 6, "aicc")
    assert fitted is not None
    assert fitted.order == int(np.argmin(penalised))
    assert fitted.criterion == pytest.approx(min(penalised), abs=1e-4)


def test_roots_tell_the_cycle() -> None:
    forecaster = model(**PLAIN)
    long = forecaster.combine(second_order(4_000, 9), 5)
    assert long is not None
    roots = long.fits[0].roots()
    assert np.abs(roots[:2]) == pytest.approx(np.sqrt(0.5), abs=0.05)


@pytest.mark.parametrize("steps", [60, 200])
def test_an_interval_of_ninety_per_cent_covers_about_as_much(steps: int) -> None:
    forecaster, inside = model(), []
    for seed in range(60):
        values = second_order(steps + 10, 1_000 + seed)
        fitted = forecaster.combine(values[:steps], 10)
        assert fitted is not None
        _, paths = fitted.paths(values[:steps], 10, 400, np.random.default_rng(seed))
        low, high = np.quantile(paths, [0.05, 0.95], axis=0)
        inside.append(((low <= values[steps:]) & (values[steps:] <= high)).mean())
    assert 0.85 <= np.mean(inside) <= 0.95


def test_a_combination_is_exact_where_one_of_its_candidates_is() -> None:
    season = np.tile([3.0, 5.0, 4.0, 8.0], 12)
    forecaster = model(4)
    fitted = forecaster.combine(season, 8)
    assert fitted is not None
    assert fitted.forecast(season, 8) == pytest.approx(season[:8], rel=1e-3)


@pytest.mark.parametrize("values", [[5.0], [5.0, 7.0], [4.0] * 30, [0.0] * 30, [1.0, -2.0, 3.0], list(range(9))])
def test_short_and_constant_series_have_finite_forecasts(values: list[float]) -> None:
    history = panel_of(np.array(values, np.float64)).history(0)
    for period in (1, 4):
        for kind in (Naive, SeasonalNaive, Drift):
            plain = kind(NaiveSettings(), calibrate=True)
            plain.period = period
            (forecast,) = plain.forecasts([history], 6, paths=3)
            assert np.isfinite(forecast.quantiles).all()
        (forecast,) = model(period).forecasts([history], 6, paths=3)
        assert np.isfinite(forecast.quantiles).all()
        assert (np.diff(forecast.quantiles, axis=1) >= 0).all()
        assert forecast.paths is not None
        assert forecast.paths.shape == (3, 6)


def test_short_series_of_the_same_values_have_different_sample_paths() -> None:
    values = np.array([1.0, -2.0, 3.0])
    panel = panel_of(values, values)
    first, second = model().forecasts([panel.history(0), panel.history(1)], 6, paths=3)
    assert np.array_equal(first.quantiles, second.quantiles)
    assert not np.array_equal(first.paths, second.paths)


def test_a_saved_model_forecasts_new_values_with_its_coefficients(tmp_path: Path) -> None:
    values = second_order(150, 4, level=30.0)
    panel, forecaster = panel_of(values), model()
    forecaster.learn(all_steps(panel_of(values[:120])), 5)
    forecaster.save(tmp_path)
    opened = model()
    opened.open(tmp_path)
    assert opened.num_parameters() == forecaster.num_parameters() > 0
    (first,), (second,) = (m.forecasts([panel.history(0)], 5, refit=False) for m in (forecaster, opened))
    assert first.point == pytest.approx(second.point)
    (anew,) = forecaster.forecasts([panel.history(0)], 5)
    assert not np.allclose(anew.point, first.point)


def test_a_model_keeps_of_its_fits_what_a_saved_one_has(tmp_path: Path) -> None:
    forecaster, panel = model(), panel_of(second_order(80, 1), second_order(70, 2))
    forecaster.learn(all_steps(panel), 3)
    assert {fit.past.size for combined in forecaster.fitted.values() for fit in combined.fits} == {0}
    forecaster.save(tmp_path)
    opened = model()
    opened.open(tmp_path)
    histories = [panel.history(0), panel.history(1)]
    for before, after in zip(
        *(part.forecasts(histories, 3, paths=5, refit=False) for part in (forecaster, opened)), strict=True
    ):
        assert np.array_equal(before.quantiles, after.quantiles)
        assert np.array_equal(before.paths, after.paths)


def test_calibration_makes_narrow_intervals_cover() -> None:
    rng = np.random.default_rng(2)
    actual = 3.0 * rng.standard_normal((2_000, 4))
    narrow = Forecast.normal(np.zeros(4), np.ones(4))
    fitted = factors(actual, np.repeat(narrow.quantiles[None], 2_000, axis=0), 2_000.0)
    wide = calibrated(narrow, fitted)
    low, high = wide.quantiles[:, LEVELS.index(0.1)], wide.quantiles[:, LEVELS.index(0.9)]
    assert ((low <= actual) & (actual <= high)).mean() == pytest.approx(0.8, abs=0.02)
    few = factors(actual[:2], np.repeat(narrow.quantiles[None], 2, axis=0), 2.0)
    assert np.abs(np.log(few)).max() < np.abs(np.log(fitted)).max()
    assert fitted[MEDIAN] == 1
    assert calibrated(narrow, NEUTRAL) is narrow
