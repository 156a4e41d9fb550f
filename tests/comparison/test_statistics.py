"""Intervals and Welch's test against published values."""

from __future__ import annotations

import math

import pytest

from seqloom.comparison.statistics import estimate, welch


@pytest.mark.parametrize(("values", "expected"), [(2, 12.706), (3, 4.303), (4, 3.182), (5, 2.776), (10, 2.262)])
def test_the_interval_is_that_of_the_tables_of_students_t(values: int, expected: float) -> None:
    sample = [float(value) for value in range(values)]
    deviation = math.sqrt(sum((value - sum(sample) / values) ** 2 for value in sample) / (values - 1))
    mean, half_width = estimate(sample)
    assert mean == sum(sample) / values
    assert half_width == pytest.approx(expected * deviation / math.sqrt(values), rel=2e-4)


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
