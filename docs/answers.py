"""The figures, tables and numbers of docs/questions.md, from what `benchmarks/answer_questions.py` measured last. cog
calls these functions, see `make format`; `python docs/answers.py` draws the figures."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from generated import table as markdown_table

from seqloom.charts.figure import AltairFigure
from seqloom.charts.lines import Line, line_chart, x_axis, y_axis
from seqloom.charts.theme import css_variables
from seqloom.comparison.verdict import many, p_text, plain

_ROOT = Path(__file__).resolve().parent.parent
_RESULTS = _ROOT / "benchmarks" / "results" / "questions.json"
FIGURES = _ROOT / "docs" / "figures"

_ROOM = 16, 40
"""Pixels to the left and to the right of a chart."""

_SHARES = ("accuracy", "exact match")
"""Scores between 0 and 1, where the ends of an interval are drawn."""

Pair = tuple[str, str]
"""The labels of the better and of the worse variant."""


def main() -> None:
    FIGURES.mkdir(exist_ok=True)
    for name in charts():
        (FIGURES / f"{name}.svg").write_text(drawn(name), encoding="utf-8")


def charts() -> list[str]:
    """The experiments that have a chart."""
    return [name for name, answer in _results().items() if answer["chart"]]


def figure(name: str) -> str:
    """The chart of an experiment, and below it what was trained."""
    answer = _results()[name]
    return f"![{_label(answer['chart'])}](figures/{name}.svg)\n\n{_caption(answer)}"


def caption(name: str) -> str:
    """What was trained, for an experiment without a figure."""
    return _caption(_results()[name])


def table(name: str) -> str:
    """The scores of an experiment with their 95 % intervals, and below it what was trained."""
    answer = _results()[name]
    header = ("", answer["score"], *answer["extra"])
    rows = [(row["label"], _score(row), *(row[column] for column in answer["extra"])) for row in answer["rows"]]
    return f"{markdown_table(header, rows)}\n\n{_caption(answer)}"


def evidence(name: str, *, better: Sequence[Pair] = (), ties: Sequence[Pair] = ()) -> str:
    """The differences that an answer rests on, as a table. Raises ValueError if the results do not show that in each
    pair of `better` the first is better than the second, or if they tell a pair of `ties` apart, whose first has the
    better mean."""
    answer = _results()[name]
    means = {row["label"]: plain(row["mean"]) for row in answer["rows"]}
    rows = []
    for pair, told_apart in [*((pair, True) for pair in better), *((pair, False) for pair in ties)]:
        contrast = _contrast(name, pair, told_apart)
        interval, p = "the same with every seed", ""
        if contrast["p"] is not None:
            interval = f"{plain(contrast['difference'])} ({plain(contrast['low'])} to {plain(contrast['high'])})"
            p = p_text(contrast["p"]).removeprefix("p ").removeprefix("= ")
        rows.append((pair[0], means[pair[0]], pair[1], means[pair[1]], interval, "yes" if told_apart else "no", p))
    direction = "lower" if answer["lower_is_better"] else "higher"
    score = f"{answer['score']} ({direction} is better)"
    return markdown_table(("", score, "against", "", "difference, 95 % interval", "told apart", "p"), rows)


def _contrast(name: str, pair: Pair, told_apart: bool) -> dict[str, Any]:
    contrasts = _results()[name]["contrasts"]
    for contrast in contrasts:
        if (contrast["better"], contrast["worse"]) == pair and contrast["told_apart"] == told_apart:
            return contrast
    raise ValueError(f"{name}: the results do not say this of {pair}; they say\n" + "\n".join(map(str, contrasts)))


def drawn(name: str) -> str:
    """The SVG of a chart, whose colours follow the reader's choice of light or dark."""
    import vl_convert

    answer = _results()[name]
    opening, content = vl_convert.vegalite_to_svg(_chart(name, answer).spec).split(">", 1)
    # A browser's font may be wider than the one that the picture was measured with.
    _, width, height = re.search(r'viewBox="0 0 ((\d+)(?:\.\d+)? (\d+))', opening).groups()
    left, wide = -_ROOM[0], int(width) + sum(_ROOM)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{height}" viewBox="{left} 0 {wide} {height}"'
    )
    return f"{opening} {_mark(answer['chart'])}><style>{css_variables()}</style>{content}\n"


def is_current(name: str) -> bool:
    """Whether the file of a chart shows the present results."""
    path = FIGURES / f"{name}.svg"
    return path.exists() and _mark(_results()[name]["chart"]) in path.read_text(encoding="utf-8")


def _mark(chart: dict[str, Any]) -> str:
    """An attribute that says which results a picture shows."""
    return f'data-results="{hashlib.sha256(json.dumps(chart, sort_keys=True).encode()).hexdigest()[:16]}"'


def _chart(name: str, answer: dict[str, Any]) -> AltairFigure:
    chart = answer["chart"]
    least, most = (0.0, 1.0) if answer["score"] in _SHARES else (-math.inf, math.inf)
    lines = [
        Line(
            line["name"],
            [(x, y) for x, y, *_ in line["points"]],
            colour,
            [(max(low, least), min(high, most)) for *_, low, high in line["points"]],
        )
        for colour, line in enumerate(chart["lines"])
    ]
    x = x_axis(lines, chart["x"], chart["log_x"])
    y = y_axis(lines, chart["y"], chart["log_y"], also=[end for line in lines for end in chain(*line.band or [])])
    return line_chart(name, _label(chart), lines, x, y)


def _label(chart: dict[str, Any]) -> str:
    names = [line["name"] for line in chart["lines"]]
    return f"{chart['y']} by {chart['x']}: {'; '.join(names)}"


def _caption(answer: dict[str, Any]) -> str:
    number, unit = answer["number"], answer["unit"]
    over = {"seed": "seeds", "network": "networks"}.get(unit, f"seeds and {number:,} test {many(unit)}")
    return f"*{answer['trained']}. Means and 95 % intervals over {over}.*"


def _score(row: dict[str, Any]) -> str:
    half = row["half_width"]
    return plain(row["mean"]) if half is None else f"{plain(row['mean'])} ± {plain(half)}"


def _results() -> dict[str, Any]:
    return json.loads(_RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
