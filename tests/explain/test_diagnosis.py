"""The page of a diagnosis: well-formed, escaped, loads nothing, and says what was confused with what."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from seqloom.explain.confusion import confusion_map, labels_to_show, most_confused
from seqloom.explain.diagnosis import diagnosis_page
from seqloom.explain.reliability import confidence_histogram, reliability_diagram
from seqloom.metrics.classification import CalibrationBin, Confusion, Diagnosis, Mistake, calibration
from tests.support.page_elements import Elements, loads

ANIMALS = Confusion(("cat", "dog", "eel"), np.array([[1_500, 30, 0], [4, 90, 6], [0, 0, 0]]))
BINS = [CalibrationBin(0.55, 0.5, 40), CalibrationBin(0.95, 0.85, 160)]
NASTY = '<script>alert("&")</script>'


def diagnosis(confusion: Confusion = ANIMALS, **changes: object) -> Diagnosis:
    own = {
        "scores": {"accuracy": confusion.accuracy, "lines": 1_630},
        "classes": confusion.classes(),
        "confusion": confusion,
        "mistakes": [Mistake("a purring one", "cat", "dog", 0.97)],
        "bins": BINS,
    }
    return Diagnosis(**(own | changes))  # type: ignore[arg-type]


def many(labels: int) -> Confusion:
    """Every label is taken for the next, the later the more often."""
    counts = np.diag(np.full(labels, 100)) + np.diag(np.arange(1, labels), 1)
    return Confusion(tuple(f"label {i:02d}" for i in range(labels)), counts)


def diagnosis_html(found: Diagnosis, title: str, about: str = "") -> str:
    return diagnosis_page(found, title, about).html()


def cells(svg: str, kind: str) -> dict[str, float]:
    """What shows at the pointer, and the shade."""
    found = [rect for rect in ElementTree.fromstring(svg).iter("rect") if rect.get("class") == kind]
    return {rect.findtext("title", ""): float(rect.get("fill-opacity", 0)) for rect in found}


def test_the_map_has_a_cell_for_each_count() -> None:
    svg = confusion_map(ANIMALS, [0, 1, 2]).inline_svg()
    assert cells(svg, "cell") == {"cat → cat: 1,500 (98.0%)": 0.98, "dog → dog: 90 (90.0%)": 0.9}
    assert cells(svg, "cell wrong").keys() == {"cat → dog: 30 (2.0%)", "dog → cat: 4 (4.0%)", "dog → eel: 6 (6.0%)"}
    figures = [text.text for text in ElementTree.fromstring(svg).iter("text") if "figure" in text.get("class", "")]
    assert figures == ["1,500", "30", "4", "90", "6"]


def test_of_many_labels_the_most_confused_are_shown() -> None:
    confusion = many(60)
    places = labels_to_show(confusion)
    assert places == list(range(29, 59))
    svg = confusion_map(confusion, places).inline_svg()
    # Shares are of all that was expected, shown or not.
    assert "label 58 → label 58: 100 (62.9%)" in cells(svg, "cell")
    assert "for the 30 of 60 with most mistakes" in diagnosis_html(diagnosis(confusion), "many")
    assert labels_to_show(many(30)) == list(range(30))


def test_large_counts_fit_small_cells() -> None:
    counts = np.diag(np.array([999, 1_250, 9_960, 123_456, 2_500_000] * 5))
    svg = confusion_map(Confusion(tuple(map(str, range(25))), counts), range(25)).inline_svg()
    figures = [text.text for text in ElementTree.fromstring(svg).iter("text") if "figure" in text.get("class", "")]
    assert figures[:5] == ["999", "1.2k", "10k", "123k", "2.5M"]


def test_what_is_confused_most_often_comes_first() -> None:
    assert [tuple(pair) for pair in most_confused(ANIMALS, 2)] == [
        ("cat", "dog", 30, 30 / 1530),
        ("dog", "eel", 6, 0.06),
    ]
    assert most_confused(many(1), 5) == []


def test_the_reliability_diagram_has_a_point_for_each_bin() -> None:
    diagram, answers = reliability_diagram(BINS), confidence_histogram(BINS)
    assert diagram.table.rows == answers.table.rows == [["0.550", "0.500", "40"], ["0.950", "0.850", "160"]]
    for figure in (diagram, answers):
        assert "40 answers at 0.55 on average, 50.0% right" in figure.page_spec()
        ElementTree.fromstring(figure.svg())


def test_the_page_says_it_all() -> None:
    page = diagnosis_html(diagnosis(), "What gru gets wrong", "animals.tsv")
    for part in ("0.9755", "1,630", "a purring one", "0.970", "animals.tsv", "Are its probabilities calibrated?"):
        assert part in page
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr>(.*?)</tr>", page)]
    assert ["cat", "dog", "30", "2.0%"] in rows
    assert ["cat", "0.989", "0.997", "0.980", "1,530", "1,504"] in rows


@pytest.mark.parametrize("labels", [2, 14, 31, 60])
def test_a_page_is_whole_and_loads_nothing(labels: int) -> None:
    text = diagnosis_html(diagnosis(many(labels)), "many")
    page = Elements(text)
    assert not page.open
    assert not loads(text)


def test_everything_is_escaped() -> None:
    confusion = Confusion.of([NASTY, "x", "x"], ["x", NASTY, "x"])
    mistakes = [Mistake(NASTY * 20, NASTY, "x", 0.5)]
    own = diagnosis(confusion, mistakes=mistakes, scores={NASTY: 1.0})
    text = diagnosis_html(own, NASTY, NASTY)
    page = Elements(text)
    assert not page.open
    assert NASTY not in text


def test_a_long_text_is_cut_and_stands_in_full_at_the_pointer() -> None:
    whole = "word " * 100
    page = Elements(diagnosis_html(diagnosis(mistakes=[Mistake(whole, "cat", "dog", 0.5)]), "long"))
    assert [attributes["title"] for tag, attributes in page.found if tag == "td" and "title" in attributes] == [whole]


def test_without_mistakes_or_probabilities() -> None:
    right = Confusion.of(["a", "b"], ["a", "b"])
    page = diagnosis_html(diagnosis(right, mistakes=[], bins=[]), "right")
    assert "No mistakes." in page
    assert "calibrated" not in page
    assert not Elements(page).open


def test_bins_of_what_was_measured_are_drawn() -> None:
    bins = calibration([0.0, 0.31, 0.999, 1.0], [False, True, True, True])
    assert len(reliability_diagram(bins).table.rows) == len(bins) == 3
