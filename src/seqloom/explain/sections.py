"""The charts of an explanation, in the order of its page."""

from __future__ import annotations

from collections.abc import Iterator

from seqloom.explain.charts.contexts import memory_charts
from seqloom.explain.charts.count_models import count_charts
from seqloom.explain.charts.examples import example_charts
from seqloom.explain.charts.gradients import dynamics_charts, reach_charts, weight_charts
from seqloom.explain.charts.section import Section
from seqloom.explain.charts.states import state_charts
from seqloom.explain.charts.training import training_charts
from seqloom.explain.results import Results


def sections(explanation: Results) -> Iterator[Section]:
    runs = explanation.measured
    yield from memory_charts(runs)
    yield from reach_charts(runs)
    yield from weight_charts(runs)
    yield from dynamics_charts(runs)
    yield from state_charts(runs)
    yield from example_charts(runs)
    yield from training_charts(runs)
    yield from count_charts(explanation)
