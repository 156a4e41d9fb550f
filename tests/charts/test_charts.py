"""Every kind of chart: what is in its picture, its table and its page."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from seqloom.charts.axis import Axis, shown
from seqloom.charts.bars import Bar, bar_chart, histogram
from seqloom.charts.figure import DataTable, Figure
from seqloom.charts.heat_map import Cell, heat_map
from seqloom.charts.lines import HEIGHT, Line, line_chart
from seqloom.charts.names import LINE_HEIGHT, Box, free_offset, name_width, spread
from seqloom.charts.page import Page
from seqloom.charts.scatter import Point, scatter_chart
from tests.support.page_elements import loads

EVIL = "</script><script>alert('&\"')</script>"
TIME, SCORE = Axis(0.0, 10.0, False, "minutes"), Axis(1.0, 1000.0, True, "perplexity")


def lines(name: str = "gru") -> Figure:
    shown = [Line("lstm", [(1, 500), (10, 90)], 0), Line("lstm", [(1, 480), (10, 92)], 0)]
    band = Line(name, [(1, 400), (10, 95)], 1, band=[(300, 500), (80, 120)], dashed=True, marks=False)
    return line_chart("lines", f"curves of {name}", [*shown, band, Line("ngram", [(0.2, 130)], 2)], TIME, SCORE)


def scatter(name: str = "gru") -> Figure:
    points = [Point("lstm", 5e6, 98.0, 0, 90.0, 106.0), Point(name, 4e6, 99.0, 1), Point("ngram", 2e7, 121.0, 2)]
    x, y = Axis.over([4e6, 2e7], "parameters", log=True), Axis.over([90, 121], "perplexity", log=False)
    return scatter_chart("scatter", f"sizes of {name}", points, x, y, front=[name, "lstm"])


def bars(name: str = "gru") -> Figure:
    return bar_chart("bars", f"gains of {name}", [Bar("lstm", 3.0, 0, 2.0, 4.0), Bar(name, -1.0, 1)], "gain")


def counts(name: str = "gru") -> Figure:
    return histogram("counts", f"errors of {name}", [3, 10, 4], [0.0, 0.5, 1.0, 1.5], "error")


def cells(name: str = "gru") -> Figure:
    table = DataTable(["token", "weight"], [[name, "0.5"]])
    return heat_map("cells", f"weights of {name}", [name], ["x"], [Cell(0, 0, 0.5, f"{name}: 0.5")], table)


KINDS = [lines, scatter, bars, counts, cells]


@pytest.mark.parametrize("make", KINDS)
def test_a_figure_is_a_picture_of_its_own_with_resolved_colours(make: Callable[..., Figure]) -> None:
    svg = make().svg()
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(--" not in svg
    assert "NaN" not in svg
    assert float(root.get("width", 0)) > 50


@pytest.mark.parametrize("make", KINDS)
def test_a_figure_on_a_page_has_a_label_and_a_table(make: Callable[..., Figure]) -> None:
    figure = make()
    html = figure.html()
    assert f'role="img" aria-label="{figure.label}"' in html
    assert "<summary>Data as a table</summary>" in html
    assert html.count("<td>") == sum(map(len, figure.table.rows)) > 0
    assert html.count('<th scope="col">') == len(figure.table.columns) == len(figure.table.rows[0])


@pytest.mark.parametrize("make", KINDS)
def test_names_from_outside_are_escaped(make: Callable[..., Figure]) -> None:
    figure = make(EVIL)
    assert "<script>alert" not in Page("x", figure.html(), [figure]).html()
    ElementTree.fromstring(figure.svg())


def test_a_page_holds_the_script_once_and_may_load_nothing() -> None:
    figures = [make() for make in KINDS]
    html = Page("x", "".join(figure.html() for figure in figures), figures).html()
    specs = re.findall(r'<script type="application/json" class="spec">(.*?)</script>', html)
    assert [json.loads(spec)["width"] for spec in specs] == ["container"] * 4
    assert html.count("vegaEmbed(place") + html.count("script.spec") == 1  # the bundler renames the first
    assert "default-src 'none'" in html
    assert not loads(html)


def test_a_page_without_charts_by_altair_has_no_script() -> None:
    assert "<script" not in Page("x", cells().html(), [cells()]).html()


def test_figures_are_written_beside_the_page(tmp_path: Path) -> None:
    figures = [lines(), cells()]
    Page("x", "", figures).write(tmp_path / "page.html", tmp_path / "figures")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"lines.svg", "cells.svg"}
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_picture_is_a_png_too() -> None:
    assert all(make().png(1.0).startswith(b"\x89PNG") for make in (lines, cells))


def texts(figure: Figure) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(figure.svg()).iter() if "text" in text.tag]


def test_lines_of_one_name_share_a_label_and_early_ends_have_theirs() -> None:
    named = texts(lines())
    assert [named.count(name) for name in ("lstm", "gru", "ngram")] == [1, 1, 1]
    assert "perplexity, logarithmic" in named
    assert lines().table.columns == ["", "minutes", "perplexity", "low", "high"]


def test_a_bar_says_its_value_and_a_bin_its_count() -> None:
    assert {"3", "-1"} <= set(texts(bars()))
    assert counts().table.rows[1] == ["0.5", "1", "10"]


def test_names_at_the_ends_of_lines_do_not_overlap() -> None:
    places = spread([200.0, 201.0, 290.0, 295.0, 299.0, 10.0], float(HEIGHT))
    assert all(b - a >= LINE_HEIGHT for a, b in itertools.pairwise(sorted(places)))
    assert max(places) <= HEIGHT
    assert np.argsort(places).tolist() == [5, 0, 1, 2, 3, 4]


def test_names_of_points_avoid_each_other_and_the_points() -> None:
    points = [(100.0, 100.0), (101.0, 101.0), (104.0, 99.0)]
    taken: list[Box] = [(x - 7, y - 7, x + 7, y + 7) for x, y in points]
    for x, y in points:
        free_offset(x, y, "transformer", taken, 300.0, 300.0)
    for one, other in itertools.combinations(taken[3:], 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_wide_characters_take_more_room_and_marks_none() -> None:
    assert name_width("漢字") == name_width("abcd")
    assert name_width("e\u0301") == name_width("e")


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 2), (90.1, 90.2), (0.001, 5000), (3e5, 4e9), (7, 30)])
@pytest.mark.parametrize("log", [False, True])
def test_an_axis_has_a_few_ticks_inside(low: float, high: float, log: bool) -> None:
    axis = Axis.over([low, high], "", log)
    assert 2 <= len(axis.ticks()) <= 14
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks())
    assert 0 < axis.share(low) <= axis.share(high) < 1


def test_numbers_are_short() -> None:
    assert [shown(value) for value in (1.5e6, 20_000, 300, 0.25, 2e9)] == ["1.5 M", "20 k", "300", "0.25", "2 G"]
