"""Span scores as conlleval counts them, on cases made by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqloom.metrics.spans import span_scores
from seqloom_portable.spans import spans

TAGS = ["O", "B-X", "I-X", "B-Y", "I-Y"]


@pytest.mark.parametrize(
    ("expected", "predicted", "precision", "recall"),
    [
        ("B-X I-X O B-Y", "B-X I-X O B-Y", 1, 1),
        ("B-X I-X O B-Y", "B-X I-X O B-X", 1 / 2, 1 / 2),  # the kind is wrong
        ("B-X I-X O", "B-X O O", 0, 0),  # an end is wrong
        ("B-X I-X O", "I-X I-X O", 1, 1),  # I- begins a span after O
        ("B-X I-X I-X", "B-X I-X B-X", 0, 0),
        ("B-X O B-X", "B-X O O", 1, 1 / 2),
        ("O O", "B-X B-X", 0, 0),
        ("O O", "O O", 0, 0),
    ],
)
def test_hand_made_cases(expected: str, predicted: str, precision: float, recall: float) -> None:
    scores = span_scores([expected.split()], [predicted.split()])
    assert (scores.precision, scores.recall) == (precision, recall)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0
    assert scores.f1 == pytest.approx(f1)


def test_scores_of_conlleval() -> None:
    """What conlleval.pl says of these: accuracy aside, precision 60.00 %, recall 75.00 %, FB1 66.67; X: 66.67, 100.00,
    80.00 of 3; Y: 50.00, 50.00, 50.00 of 2."""
    expected = ["B-X I-X O B-Y O", "B-Y I-Y O B-X O"]
    predicted = ["B-X I-X O B-Y O", "B-X I-X O B-X B-Y"]
    scores = span_scores([tags.split() for tags in expected], [tags.split() for tags in predicted])
    assert (scores.precision, scores.recall) == (0.6, 0.75)
    assert scores.f1 == pytest.approx(2 / 3)
    of_x, of_y = scores.kinds
    assert (of_x.label, of_x.precision, of_x.recall, of_x.expected, of_x.predicted) == ("X", 2 / 3, 1, 2, 3)
    assert (of_y.label, of_y.f1, of_y.expected, of_y.predicted) == ("Y", 0.5, 2, 2)


def test_a_span_ends_with_its_sentence() -> None:
    assert span_scores([["B-X"], ["I-X"]], [["B-X"], ["B-X"]]).recall == 1


@given(st.lists(st.lists(st.sampled_from(TAGS), min_size=1), min_size=1))
def test_what_is_right_is_all_right(sentences: list[list[str]]) -> None:
    scores = span_scores(sentences, sentences)
    any_span = any(tag != "O" for tags in sentences for tag in tags)
    assert (scores.precision, scores.recall, scores.f1) == ((1, 1, 1) if any_span else (0, 0, 0))
    nothing = span_scores(sentences, [["O"] * len(tags) for tags in sentences])
    assert (nothing.precision, nothing.recall, nothing.f1) == (0, 0, 0)


SCHEMES = {"IOB": TAGS, "IOBES": [*TAGS, "E-X", "S-X", "E-Y", "S-Y"], "BILOU": [*TAGS, "L-X", "U-X", "L-Y", "U-Y"]}


def begins(before: str, tag: str) -> bool:
    """`startOfChunk` of conlleval.pl, with S as seqeval adds it."""
    pairs = {"EE", "EI", "OE", "OI", "SE", "SI"}
    return tag[0] in "BS" or before[0] + tag[0] in pairs or (tag[0] != "O" and before[2:] != tag[2:])


def ends(before: str, tag: str) -> bool:
    """`endOfChunk` of conlleval.pl, with S as seqeval adds it."""
    pairs = {"BB", "BO", "BS", "IB", "IO", "IS"}
    return before[0] in "ES" or before[0] + tag[0] in pairs or (before[0] != "O" and before[2:] != tag[2:])


def spans_by_rule(tags: list[str]) -> list[tuple[str, int, int]]:
    as_ends = {"L": "E", "U": "S"}
    tags = [as_ends.get(tag[0], tag[0]) + tag[1:] for tag in [*tags, "O"]]
    rows, before, start = [], "O", 0
    for place, tag in enumerate(tags):
        if ends(before, tag):
            rows.append((before[2:], start, place))
        if begins(before, tag):
            start = place
        before = tag
    return rows


@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data())
def test_spans_are_those_of_the_rule(scheme: str, data: st.DataObject) -> None:
    tags = data.draw(st.lists(st.sampled_from(SCHEMES[scheme]), min_size=1, max_size=8))
    assert [tuple(span) for span in spans(tags)] == spans_by_rule(tags)
