"""Scores of forecasts: known values on small series."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from seqloom.metrics.forecasting import DECILES, ForecastScores, Scale, crps, pinball
from seqloom.models.forecasting.forecast import LEVELS, Forecast


def test_pinball_loss_of_the_median_is_half_the_absolute_error() -> None:
    assert pinball(np.array([3.0, -1.0]), np.array([[1.0], [1.0]]), (0.5,)).ravel().tolist() == [1.0, 1.0]
    assert pinball(np.array([3.0]), np.array([[1.0, 5.0]]), (0.1, 0.9)).ravel() == pytest.approx([0.2, 0.2])


def test_crps_by_deciles_is_near_that_of_a_normal_distribution() -> None:
    actual = np.random.default_rng(0).standard_normal(50_000)
    forecast = Forecast.normal(np.zeros(50_000), np.ones(50_000))
    by_deciles = crps(actual, forecast.quantiles, LEVELS).mean()
    # E of 2 pinball(tau) is 2 phi(z_tau).
    density = np.exp(-(ndtri(np.array(DECILES)) ** 2) / 2) / np.sqrt(2 * np.pi)
    assert by_deciles == pytest.approx(2 * density.mean(), rel=0.01)


def test_the_scale_is_the_seasonal_naive_error_of_the_past() -> None:
    assert Scale.of(np.array([1.0, 2.0, 3.0, 5.0]), 2) == (2.5, (4 + 9) / 2)
    assert Scale.of(np.array([1.0, 4.0]), 12).absolute == 3
    assert np.isnan(Scale.of(np.ones(9), 2).absolute)
    assert np.isnan(Scale.of(np.ones(1), 1).absolute)


def scored(count: int = 400) -> ForecastScores:
    rng = np.random.default_rng(1)
    scores = ForecastScores(LEVELS, 1, 3, ["a", "b", "flat"])
    for series in range(2):
        for origin in range(count):
            past = rng.standard_normal(30)
            forecast = Forecast.normal(np.zeros(3), np.ones(3))
            scores.add(series, origin, past, rng.standard_normal(3), forecast.point, forecast.quantiles)
    return scores


def test_intervals_of_the_true_distribution_cover_as_they_say() -> None:
    metrics = scored().metrics()
    assert [metrics[f"coverage_{share}"] for share in (50, 80, 95)] == pytest.approx([0.5, 0.8, 0.95], abs=0.03)
    assert metrics["mae"] == pytest.approx(np.sqrt(2 / np.pi), abs=0.03)
    assert metrics["forecasts"] == 800


def test_a_constant_past_counts_in_no_scaled_score() -> None:
    scores = scored(5)
    before = scores.metrics()
    scores.add(2, 0, np.ones(9), np.full(3, 4.0), np.ones(3), np.ones((3, len(LEVELS))))
    after = scores.metrics()
    assert (after["mase"], after["crps"]) == (before["mase"], before["crps"])
    assert after["mae"] > before["mae"]
    assert scores.by_series()[-1]["series"] == "flat"


def test_a_forecast_whose_past_has_no_scale_is_left_out_and_not_its_series() -> None:
    scores = ForecastScores(LEVELS, 1, 1)
    for past in ([5.0], [5.0, 6.0]):
        scores.add(0, len(past), np.array(past), np.array([8.0]), np.array([past[-1]]), np.ones((1, len(LEVELS))))
    assert scores.metrics()["mase"] == 2
    assert scores.metrics()["mae"] == 2.5
    assert scores.by_series()[0]["mase"] == scores.mase_of(0) == 2
    assert scores.example_scores().sums.tolist() == [[2, 1]]


def test_consecutive_forecasts_of_few_series_overlap_and_series_do_not() -> None:
    def scores(series: int, step: int) -> ForecastScores:
        result = ForecastScores(LEVELS, 1, 6)
        for number in range(series):
            for origin in range(10, 40, step):
                point, quantiles = np.zeros(6), np.ones((6, len(LEVELS)))
                result.add(number, origin, np.arange(origin, dtype=float), np.ones(6), point, quantiles)
        return result

    for step, overlap in ((1, 6), (4, 2), (6, 1), (29, 1)):
        assert scores(2, step).example_scores().overlap == overlap
    assert scores(10, 1).example_scores().overlap == 1


def test_forecasts_of_a_long_series_overlap_also_after_a_series_with_one() -> None:
    scores = ForecastScores(LEVELS, 1, 6)
    for series, origins in ((0, [10]), (1, range(10, 20))):
        for origin in origins:
            point, quantiles = np.zeros(6), np.ones((6, len(LEVELS)))
            scores.add(series, origin, np.arange(origin, dtype=float), np.ones(6), point, quantiles)
    assert scores.example_scores().overlap == 6


def test_tables_by_horizon_and_by_series_average_to_the_whole() -> None:
    scores = scored(20)
    whole = scores.metrics()
    assert np.mean([row["mase"] for row in scores.by_horizon()]) == pytest.approx(whole["mase"])
    assert np.mean([row["crps"] for row in scores.by_series()]) == pytest.approx(whole["crps"])


def test_the_probability_of_a_value_is_that_of_its_distribution() -> None:
    from seqloom.tasks.backtest import cumulative

    quantiles = Forecast.normal(np.array([2.0]), np.array([3.0])).quantiles[0]
    for value in (-20.0, -4.0, 2.0, 3.3, 9.0):
        assert cumulative(value, quantiles) == pytest.approx(ndtr((value - 2) / 3), rel=1e-6)
    assert cumulative(-34.0, quantiles) == pytest.approx(ndtr(-12), rel=1e-6, abs=0)
    assert cumulative(1.0, np.ones(len(LEVELS))) == 0.5
    assert cumulative(2.0, np.ones(len(LEVELS))) == 1.0


def test_an_exact_forecast_without_width_covers_despite_rounding() -> None:
    scores = ForecastScores(LEVELS, 1, 2)
    point = np.array([0.1 + 0.2, 3.0])
    scores.add(0, 2, np.array([1.0, 2.0]), np.array([0.3, 3.0]), point, np.repeat(point[:, None], len(LEVELS), axis=1))
    assert scores.metrics()["coverage_80"] == 1.0
