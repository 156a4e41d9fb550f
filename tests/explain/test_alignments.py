"""Alignments as JSON that is whole, and as a page that is well-formed, escaped, and loads nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np
import pytest

from seqloom.decoding.alignment import Alignment
from seqloom.errors import SeqloomError
from seqloom.explain.alignments import alignment_figure, alignments_page
from tests.support.page_elements import Elements, loads

HOUSE = Alignment(["the", "house", "<eos>"], ["das", "Haus"], [[0.9, 0.1, 0.0], [0.25, 0.7, 0.05]])


def drawing(alignment: Alignment) -> str:
    return alignment_figure(alignment).inline_svg()


def alignments_html(alignments: Sequence[Alignment], title: str) -> str:
    return alignments_page(alignments, title).html()


def cells(alignment: Alignment) -> list[ElementTree.Element]:
    return [rect for rect in ElementTree.fromstring(drawing(alignment)).iter("rect") if rect.get("class") == "cell"]


def test_json_holds_tokens_and_weights() -> None:
    weights = np.array([[1 / 3, 2 / 3]], dtype=np.float32)
    plain = json.loads(json.dumps(Alignment(["a", "b"], ["c"], weights).to_json()))
    assert plain == {"source": ["a", "b"], "target": ["c"], "weights": [[0.3333, 0.6667]]}


def test_a_cell_for_each_weight_that_could_be_seen() -> None:
    found = cells(HOUSE)
    assert [cell.findtext("title") for cell in found] == [
        "das ← the: 0.90",
        "das ← house: 0.10",
        "Haus ← the: 0.25",
        "Haus ← house: 0.70",
        "Haus ← <eos>: 0.05",
    ]
    assert [cell.get("fill-opacity") for cell in found] == ["0.90", "0.10", "0.25", "0.70", "0.05"]


def test_sources_stand_along_the_top_and_targets_at_the_left() -> None:
    das_the, das_house, haus_the, *_ = [(float(c.get("x", 0)), float(c.get("y", 0))) for c in cells(HOUSE)]
    assert das_the[0] == haus_the[0] < das_house[0]
    assert das_the[1] == das_house[1] < haus_the[1]
    texts = list(ElementTree.fromstring(drawing(HOUSE)).iter("text"))
    assert ["rotate" in text.get("transform", "") for text in texts] == [True, True, True, False, False]


def test_everything_lies_within_the_picture() -> None:
    long = Alignment(["Donaudampfschifffahrtsgesellschaft"] * 3, ["漢字" * 20, "y"], np.full((2, 3), 1 / 3))
    svg = ElementTree.fromstring(drawing(long))
    width, height = (float(svg.get(side, 0)) for side in ("width", "height"))
    for rect in svg.iter("rect"):
        x, y, wide, high = (float(rect.get(name, 0)) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + wide <= width
        assert 0 <= y <= y + high <= height


def test_a_long_token_is_cut_and_stands_in_full_at_the_pointer() -> None:
    word = "Donaudampfschifffahrtsgesellschaft"
    first = next(ElementTree.fromstring(drawing(Alignment([word], ["x"], [[1.0]]))).iter("text"))
    assert first.findtext("title") == word
    assert "".join(first.itertext()).endswith("Donaudampfschifff…")


def test_tokens_of_blanks_can_be_seen() -> None:
    texts = ElementTree.fromstring(drawing(Alignment([" ", "\t"], ["", "a b"], np.full((2, 2), 0.5)))).iter("text")
    assert ["".join(text.itertext()) for text in texts] == ["␣", "⇥", "∅", "a b"]


def test_a_page_is_escaped_and_whole() -> None:
    nasty = Alignment(["<script>", "&", '"'], ["</svg>", "'"], np.full((2, 3), 1 / 3))
    page = Elements(alignments_html([nasty], "a <title> & more"))
    assert not page.open
    assert "script" not in [tag for tag, _ in page.found]
    assert [tag for tag, _ in page.found].count("svg") == 1


def test_a_page_loads_nothing() -> None:
    assert not loads(alignments_html([HOUSE] * 3, "three"))


def test_the_list_leads_to_every_sentence() -> None:
    found = Elements(alignments_html([HOUSE] * 3, "three")).found
    links = [attributes["href"] for tag, attributes in found if tag == "a"]
    assert links == [f"#{attributes['id']}" for tag, attributes in found if tag == "section"] == ["#s1", "#s2", "#s3"]


def test_nothing_written_is_shown_as_nothing() -> None:
    assert Alignment(["a"], [], []).to_json()["weights"] == []
    assert not cells(Alignment(["a"], [], []))
    assert "(nothing)" in alignments_html([Alignment(["a"], [], [])], "empty")


@pytest.mark.parametrize(
    "weights", [[[0.5, 0.5]], [[1.0, 0.0, 0.0]] * 3, 1.0, [[float("nan"), 0, 0]] * 2, [[-0.5, 0.5, 1.0]] * 2]
)
def test_weights_that_do_not_fit_are_refused(weights: object) -> None:
    with pytest.raises(SeqloomError) as error:
        Alignment(HOUSE.source, HOUSE.target, weights).to_json()  # type: ignore[arg-type]
    assert error.value.expected


def test_a_page_of_nothing_is_refused() -> None:
    with pytest.raises(SeqloomError, match="no alignments"):
        alignments_html([], "none")
