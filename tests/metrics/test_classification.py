"""Calibration by bins and scores of classes, on cases made by hand."""

from __future__ import annotations

import warnings

import pytest

from seqloom.metrics.classification import CalibrationBin, Confusion, calibration, expected_calibration_error


@pytest.mark.parametrize("edge", [tenth / 10 for tenth in range(1, 10)])
def test_an_edge_is_in_the_lower_bin(edge: float) -> None:
    """((m - 1) / M, m / M], as Guo et al. (2017) have it; 0.7 is 7 / 10, though 0.7 * 10 is not 7."""
    below, above = calibration([edge, edge + 1e-9], [True, False])
    assert (below.probability, below.answers) == (edge, 1)
    assert above.answers == 1
    (together,) = calibration([edge - 1e-9, edge], [True, False])
    assert together.answers == 2


def test_zero_and_one_are_in_the_outer_bins() -> None:
    bins = calibration([0.0, 0.05, 0.95, 1.0], [False, False, True, True])
    assert [part.answers for part in bins] == [2, 2]


def test_the_error_is_the_mean_distance() -> None:
    bins = [CalibrationBin(0.9, 0.5, 3), CalibrationBin(0.2, 0.4, 1)]
    assert expected_calibration_error(bins) == pytest.approx((3 * 0.4 + 0.2) / 4)
    assert expected_calibration_error([]) == 0


def test_scores_of_nothing_are_zero() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nothing = Confusion.of([], [])
        assert (nothing.accuracy, nothing.macro_f1) == (0, 0)
    assert nothing.classes() == []
