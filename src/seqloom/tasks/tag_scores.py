"""The scores of a tagger's answers: by tag and by span, sequence by sequence, and its surest mistakes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.data.tag_file import Tagged
from seqloom.data.tagged import TaggedFile
from seqloom.data.tagged_frames import TaggedFrames
from seqloom.decoding.tagging import LabelIds, Tagging, tag_rows
from seqloom.metrics.classification import Confusion, Diagnosis, Mistake, calibration, expected_calibration_error
from seqloom.metrics.example_scores import ExampleScores
from seqloom.metrics.spans import SpanScores, span_counts, span_scores
from seqloom.nn.layer import evaluating
from seqloom.tasks.capabilities import Trained
from seqloom_portable.spans import PREFIX, mark_spans, scheme_of

_CONTEXT = 6
_MISTAKES = 50


def tagged_rows(trained: Trained, data: Tagged) -> Iterator[Tagging]:
    """Yields the predicted tags of each sequence and their probabilities."""
    with evaluating(trained.model):
        yield from tag_rows(trained.model, data.rows(range(data.num_lines)), data.batch, trained.device)


def tag_scores(data: Tagged, predicted: LabelIds) -> dict[str, float]:
    """`predicted`: the tags of all sequences. Steps also have the mean F1 of their tags, which are often as unevenly
    distributed as classes."""
    scores = {"accuracy": float((predicted == data.tags).mean())}
    if isinstance(data, TaggedFrames):
        scores["macro_f1"] = _confusion(data, predicted).macro_f1
    return scores | _plain(_span_scores(data, predicted)) if mark_spans(data.labels.names) else scores


def scores_by_sequence(data: Tagged, predicted: Iterable[LabelIds]) -> ExampleScores:
    """By sequence: the number of right tags, or the numbers of right, expected and predicted spans."""
    rows: list[tuple[int, ...]] = []
    scheme = scheme_of(data.labels.names)
    for number, tags in enumerate(predicted):
        expected = data.tag_ids(number)
        if scheme is not None:
            rows.append(span_counts([data.names[i] for i in expected], [data.names[i] for i in tags], scheme))
        else:
            rows.append((int((tags == expected).sum()), len(expected)))
    metric = "ratio" if scheme is None else "f1"
    unit = "sequence" if isinstance(data, TaggedFrames) else "sentence"
    return ExampleScores(metric, unit, np.array(rows, dtype=np.float64))


def diagnosis(data: Tagged, answers: Sequence[Tagging]) -> Diagnosis:
    """The classes are the types of spans, if tags mark spans; otherwise the tags."""
    predicted, probabilities = (np.concatenate(parts) for parts in zip(*answers, strict=True))
    confusion = _confusion(data, predicted)
    right = predicted == data.tags
    bins = calibration(probabilities.tolist(), right.tolist())
    scores = tag_scores(data, predicted) | {"expected_calibration_error": expected_calibration_error(bins)}
    classes = _span_scores(data, predicted).kinds if mark_spans(data.labels.names) else confusion.classes()
    wrong = np.flatnonzero(~right)
    surest = wrong[np.argsort(-probabilities[wrong], kind="stable")][:_MISTAKES]
    mistakes = [
        _mistake(data, int(place), data.names[predicted[place]], float(probabilities[place])) for place in surest
    ]
    return Diagnosis(scores, classes, confusion, mistakes, bins)


def runs_of_tags(tags: Sequence[str]) -> str:
    """Steps with the same tag together: `1-30/walk 31-35/run`."""
    text, step = [], 1
    for tag, group in itertools.groupby(tags):
        last = step + len(list(group)) - 1
        text.append(f"{step}-{last}/{tag}" if last > step else f"{step}/{tag}")
        step = last + 1
    return " ".join(text)


def _confusion(data: Tagged, predicted: LabelIds) -> Confusion:
    names = np.array(data.names, dtype=object)
    return Confusion.of(list(names[data.tags]), list(names[predicted]))


def _span_scores(data: Tagged, predicted: NDArray[np.int64]) -> SpanScores:
    def by_sequence(ids: NDArray[Any]) -> Iterator[list[str]]:
        tags = [data.names[i] for i in ids]
        return (tags[start:stop] for start, stop in zip(data.starts[:-1], data.starts[1:], strict=True))

    return span_scores(by_sequence(data.tags), by_sequence(predicted), scheme_of(data.labels.names) or PREFIX)


def _plain(scores: SpanScores) -> dict[str, float]:
    return {"span_f1": scores.f1, "span_precision": scores.precision, "span_recall": scores.recall}


def _mistake(data: Tagged, place: int, predicted: str, probability: float) -> Mistake:
    """The mistake at `place` among all elements: the word in brackets among its neighbours, or the step's number."""
    number = int(np.searchsorted(data.starts, place, side="right")) - 1
    here = place - int(data.starts[number])
    expected = data.names[data.tags[place]]
    if not isinstance(data, TaggedFile):
        return Mistake(f"sequence {number + 1}, step {here + 1}", expected, predicted, probability)
    words = data.sentence(number).words
    before, after = words[max(0, here - _CONTEXT) : here], words[here + 1 : here + 1 + _CONTEXT]
    return Mistake(" ".join([*before, f"[{words[here]}]", *after]), expected, predicted, probability)
