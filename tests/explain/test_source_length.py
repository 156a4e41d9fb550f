"""Where a bottleneck begins, on losses that are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from seqloom.explain.charts.contexts import memory_charts
from seqloom.explain.measured import Measured
from seqloom.explain.measures.onset import onset
from seqloom.explain.measures.source_length import SourceLength, bottleneck
from seqloom.explain.verdict import sentences_of_all

TOKENS = np.repeat(np.arange(3, 21), 40)


def by_length(costs: Callable[[float], float], attends: bool = False) -> SourceLength:
    """The loss of a token of each example: 1, what it costs by the length of the source, and noise."""
    noise = np.random.default_rng(attends).standard_normal(len(TOKENS)) * 0.5 / np.sqrt(TOKENS)
    nats = TOKENS * (1 + np.array([costs(length) for length in TOKENS]) + noise)
    lengths = TOKENS.tolist()
    return SourceLength([5.0], [1.0], 15, 1.0, 1.0, attends, lengths, lengths, nats.tolist())


def harder(length: float) -> float:
    """Long sources are harder to both."""
    return 0.03 * length


ATTENDING = by_length(harder, attends=True)


def test_a_rise_is_found_where_it_begins() -> None:
    measured = bottleneck(by_length(lambda n: harder(n) + 0.1 + 0.1 * max(n - 12, 0)), ATTENDING)
    assert measured is not None
    rise = measured.onset
    assert rise is not None
    assert rise.is_real
    assert rise.low <= 12 <= rise.high
    assert rise.high - rise.low <= 4
    assert rise.slope == pytest.approx(0.1, abs=0.03)
    assert not rise.from_the_shortest
    assert measured.costs[0] == pytest.approx(0.1, abs=0.1)
    assert all(low < cost < high for low, cost, high in zip(measured.low, measured.costs, measured.high, strict=True))


def test_a_rise_that_ends_is_found_too() -> None:
    measured = bottleneck(by_length(lambda n: harder(n) + 0.06 * min(max(n - 8, 0), 4)), ATTENDING)
    assert measured is not None
    rise = measured.onset
    assert rise is not None
    assert rise.is_real
    assert rise.low <= 8 <= rise.high
    assert rise.ends < 18
    assert rise.at(100) == pytest.approx(rise.level + 0.24, abs=0.1)


def test_a_rise_from_the_shortest_on_may_begin_below_them() -> None:
    measured = bottleneck(by_length(lambda n: harder(n) + 0.05 * n), ATTENDING)
    assert measured is not None
    assert measured.onset is not None
    assert measured.onset.is_real
    assert measured.onset.from_the_shortest


@pytest.mark.parametrize("costs", [lambda n: harder(n) + 0.5, lambda n: harder(n) - 0.05 * n])
def test_what_is_level_or_falls_is_no_bottleneck(costs: Callable[[float], float]) -> None:
    measured = bottleneck(by_length(costs), ATTENDING)
    assert measured is not None
    assert measured.onset is not None
    assert not measured.onset.is_real


def test_chance_is_a_rise_once_in_a_hundred_times() -> None:
    rng, lengths = np.random.default_rng(7), TOKENS[::4].astype(np.float64)
    rises = [onset(lengths, rng.standard_normal(len(lengths)) / np.sqrt(lengths), lengths) for _ in range(10)]
    assert sum(rise is not None and rise.is_real for rise in rises) <= 1


def test_lengths_that_hardly_differ_tell_nothing() -> None:
    lengths = np.array([5.0] * 95 + [4.0] * 5)
    assert onset(lengths * 0 + 5, lengths, lengths) is None


def test_runs_on_other_examples_are_not_compared() -> None:
    fewer = replace(ATTENDING, nats=ATTENDING.nats[:-1], attends=False)
    assert bottleneck(fewer, ATTENDING) is None


def test_a_few_examples_have_no_intervals_and_are_not_compared() -> None:
    few = SourceLength([5.0], [1.0], 15, 1.0, 1.0, True, [3, 5, 7], [3, 5, 7], [3.0, 5.0, 7.0])
    assert bottleneck(replace(few, nats=[4.0, 6.0, 9.0], attends=False), few) is None


def test_the_verdict_and_the_chart_say_it_of_two_runs() -> None:
    attending = Measured("attention", "translate", "lstm+attention", {}, {}, by_length=ATTENDING)
    of_rnn = by_length(lambda n: harder(n) + 0.1 + 0.1 * max(n - 12, 0))
    without = replace(attending, name="lstm", by_length=of_rnn)
    sentence = sentences_of_all([without, attending])[0]
    assert "bottleneck of lstm begins at sources of 1" in sentence
    assert "95 % interval" in sentence
    chart = {section.title: section.figure for section in memory_charts([attending, without])}
    assert chart["What lstm costs over attention"].name == "bottleneck-2"  # in the colour of the second run
    level = replace(attending, name="lstm", by_length=by_length(lambda n: harder(n) + 0.5))
    assert "begins at the shortest sources or below" in sentences_of_all([level, attending])[0]
    equal = replace(attending, name="lstm", by_length=by_length(harder))
    assert "No bottleneck of lstm is seen" in sentences_of_all([equal, attending])[0]
    assert not any("bottleneck" in sentence for run in (without, attending) for sentence in sentences_of_all([run]))
