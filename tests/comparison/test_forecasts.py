"""Tests of two forecasting models: right on differences that are known, and said in sentences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from seqloom.comparison.forecasts import diebold_mariano, forecast_verdict, paired
from seqloom.metrics.forecasting import ForecastScores
from seqloom.models.forecasting.forecast import LEVELS, Forecast


def scores(errors: NDArray[np.float64]) -> ForecastScores:
    """Of forecasts that are wrong by `errors` (series, origins)."""
    past, results = np.tile([0.0, 1.0], 10), ForecastScores(LEVELS, 1, 1)
    for (series, origin), error in np.ndenumerate(errors):
        forecast = Forecast.normal(np.array([float(error)]), np.ones(1))
        results.add(series, origin, past, np.zeros(1), forecast.point, forecast.quantiles)
    return results


def test_one_step_ahead_it_is_the_paired_t_test_but_for_the_divisor() -> None:
    differences = np.random.default_rng(0).standard_normal(40) + 0.3
    # The variance over n, corrected by (n - 1) / n, is that over n - 1 of Student's test.
    assert diebold_mariano(differences, 1) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, rel=1e-9)


def test_equal_models_are_called_different_about_as_often_as_the_test_says() -> None:
    """Of forecasts four steps ahead, differences go together over three origins."""
    rng, wrong = np.random.default_rng(1), 0
    for _ in range(400):
        noise = rng.standard_normal(63)
        wrong += diebold_mariano(np.convolve(noise, np.ones(4), "valid"), 4) < 0.05
    assert 0.02 <= wrong / 400 <= 0.11


def test_pairs_are_series_where_there_are_many_and_origins_where_not() -> None:
    rng = np.random.default_rng(2)
    errors = np.abs(rng.standard_normal((20, 3))) + 1
    many = paired(scores(errors), scores(errors + 0.5))
    assert (many.over, many.pairs) == ("series", 20)
    assert many.difference == pytest.approx(-0.5)
    few = paired(scores(errors[:1].repeat(9, axis=1)), scores(errors[:1].repeat(9, axis=1)))
    assert (few.over, few.p) == ("origins", 1.0)


def test_the_verdict_answers_the_questions_of_the_field() -> None:
    rng = np.random.default_rng(3)
    base = np.abs(rng.standard_normal((30, 2))) + 1

    def noisy(shift: float) -> ForecastScores:
        return scores(base + shift + 0.1 * rng.standard_normal((30, 2)))

    verdict = forecast_verdict({"seasonal-naive": noisy(1.0), "ar": noisy(0.5), "gru": noisy(0.0)})
    assert "gru forecasts best" in verdict
    assert "gru beats the naive forecasts (seasonal-naive)" in verdict
    assert "A recurrent network (gru) beats an autoregression (ar)" in verdict
    assert "One model of all series (gru) beats one for each (ar)" in verdict
    verdict = forecast_verdict({"naive": noisy(0.0), "ar": noisy(0.0), "gru": noisy(0.0)})
    assert "cannot be told from" in verdict
    assert "Nothing beats naive significantly" in verdict
    assert "does not beat an autoregression" in verdict


def test_the_best_of_many_models_is_held_to_a_stricter_level() -> None:
    rng = np.random.default_rng(4)
    base = np.abs(rng.standard_normal((30, 1))) + 1
    better = base - 0.06 + 0.17 * rng.standard_normal((30, 1))
    few = {"naive": scores(base), "ar": scores(better)}
    assert 0.01 < paired(few["ar"], few["naive"]).p < 0.05
    assert "ar beats the naive forecasts" in forecast_verdict(few)
    many = few | {name: scores(base + 0.5) for name in ("gru", "lstm", "tcn", "rnn")}
    verdict = forecast_verdict(many)
    assert "Nothing beats naive significantly" in verdict
    assert "corrected for 5 comparisons" in verdict
