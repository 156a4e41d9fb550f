"""Precision, recall and F1 of spans of words, counted as in conlleval (Tjong Kim Sang and Buchholz 2000).

Spans with ends and single words (E and S, or L and U), which conlleval does not support, are counted as in seqeval's
default mode: tags that break the scheme are read leniently, whereas its strict mode would ignore such spans.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from seqloom.metrics.classification import ClassScores, class_scores
from seqloom_portable.spans import PREFIX, TagScheme, spans


class SpanScores(NamedTuple):
    """The scores of all spans, and of each type."""

    precision: float
    recall: float
    f1: float
    kinds: list[ClassScores]


def span_counts(expected: Sequence[str], predicted: Sequence[str], scheme: TagScheme = PREFIX) -> tuple[int, int, int]:
    """The numbers of right, expected and predicted spans of a sentence."""
    gold, answered = spans(expected, scheme), spans(predicted, scheme)
    return len({*gold} & {*answered}), len(gold), len(answered)


def span_scores(
    expected: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]], scheme: TagScheme = PREFIX
) -> SpanScores:
    """The scores of tag sequences. A span is right if its type and both ends are."""
    right: Counter[str] = Counter()
    expected_counts: Counter[str] = Counter()
    predicted_counts: Counter[str] = Counter()
    for true_tags, tags in zip(expected, predicted, strict=True):
        true_spans, predicted_spans = spans(true_tags, scheme), spans(tags, scheme)
        expected_counts.update(span.kind for span in true_spans)
        predicted_counts.update(span.kind for span in predicted_spans)
        right.update(span.kind for span in {*true_spans} & {*predicted_spans})
    kinds = [
        class_scores(kind, right[kind], expected_counts[kind], predicted_counts[kind])
        for kind in sorted(expected_counts | predicted_counts)
    ]
    _, precision, recall, f1, _, _ = class_scores("", right.total(), expected_counts.total(), predicted_counts.total())
    return SpanScores(precision, recall, f1, kinds)
