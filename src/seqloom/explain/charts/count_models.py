"""Charts of n-gram models and bags of words."""

from __future__ import annotations

from collections.abc import Iterator

from seqloom.charts.bars import Bar, bar_chart
from seqloom.explain.charts.section import Section
from seqloom.explain.results import Results

_MOST_CLASSES = 20


def count_charts(explanation: Results) -> Iterator[Section]:
    numbers = {run.name: number for number, run in enumerate(explanation.measured)}
    for name, back_off in explanation.back_off.items():
        number = numbers[name]
        bars = [
            Bar(f"{k} word{'s' if k > 1 else ''}", share, number)
            for k, share in zip(back_off.orders, back_off.shares, strict=True)
        ]
        about = f"{name}: how many tokens got their probability from an n-gram of each length."
        limits = "whether a longer n-gram, where it is known, predicts better."
        yield Section(
            "Back-off", bar_chart(f"back-off-{number + 1}", about, bars, "share of the tokens"), about, limits
        )
    for name, classes in explanation.class_weights.items():
        number = numbers[name]
        for place, of_class in enumerate(classes[:_MOST_CLASSES], 1):
            bars = [Bar(n, w, number) for n, w in zip(of_class.ngrams, of_class.weights, strict=True)]
            about = f"{name}: the n-grams that speak most for {of_class.label}."
            limits = "how often they occur: a strong n-gram may be rare."
            figure = bar_chart(f"weights-{number + 1}-{place}", about, bars, "weight above the mean of the classes")
            yield Section(f"What speaks for {of_class.label}", figure, about, limits)
