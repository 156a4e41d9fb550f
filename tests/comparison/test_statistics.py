"""Student's t, intervals and Welch's test against published values."""

from __future__ import annotations

import math

import pytest

from seqloom.comparison.statistics import estimate, t_cdf, t_quantile, welch


@pytest.mark.parametrize(
    ("freedom", "expected"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042), (1e6, 1.960)]
)
def test_the_quantiles_are_those_of_the_tables(freedom: float, expected: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(expected, abs=6e-4)


def test_with_one_degree_of_freedom_it_is_the_cauchy_distribution() -> None:
    for t in (0.0, 0.3, 1.0, 5.0, 100.0):
        assert t_cdf(t, 1) == pytest.approx(0.5 + math.atan(t) / math.pi, abs=1e-12)


def test_the_interval_of_three_values() -> None:
    mean, half_width = estimate([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert half_width == pytest.approx(4.3027 / math.sqrt(3), abs=1e-4)


def test_one_value_has_no_interval() -> None:
    assert estimate([7.0]) == (7.0, None)


def test_welch_agrees_with_a_published_example() -> None:
    # The third example of Wikipedia's "Welch's t-test": t = -1.57 is rounded there, p = 0.149 (R: 0.1492).
    a = [17.2, 20.9, 22.6, 18.1, 21.7, 21.4, 23.5, 24.2, 14.7, 21.8]
    b = [21.5, 22.8, 21.0, 23.0, 21.6, 23.6, 22.5, 20.7, 23.4, 21.8, 20.7, 21.7, 21.5, 22.5, 23.6, 21.5]
    b += [22.5, 23.5, 21.5, 21.8]
    assert welch(a, b) == pytest.approx(0.149, abs=0.003)


def test_welch_of_values_without_spread() -> None:
    assert welch([1.0, 1.0], [1.0, 1.0]) == 1.0
    assert welch([1.0, 1.0], [2.0, 2.0]) == 0.0


def test_welch_does_not_mind_the_order() -> None:
    assert welch([1.0, 2.0, 4.0], [3.0, 5.0, 5.5]) == pytest.approx(welch([3.0, 5.0, 5.5], [1.0, 2.0, 4.0]))
