"""Spans of words and how many of them are found, counted as conlleval does (Tjong Kim Sang and Buchholz 2000)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from seqloom.data.span_tags import spans
from seqloom.metrics.classification import ClassScores, class_scores


class SpanScores(NamedTuple):
    """Of all spans, whatever their kind, and of each kind."""

    precision: float
    recall: float
    f1: float
    kinds: list[ClassScores]


def span_scores(expected: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> SpanScores:
    """The tags of sentences, compared by the spans that they mark: one is right where its kind and both ends are."""
    right: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    given: Counter[str] = Counter()
    for true_tags, tags in zip(expected, predicted, strict=True):
        gold, found = spans(true_tags), spans(tags)
        wanted.update(span.kind for span in gold)
        given.update(span.kind for span in found)
        right.update(span.kind for span in {*gold} & {*found})
    kinds = [class_scores(kind, right[kind], wanted[kind], given[kind]) for kind in sorted(wanted | given)]
    _, precision, recall, f1, _, _ = class_scores("", right.total(), wanted.total(), given.total())
    return SpanScores(precision, recall, f1, kinds)
