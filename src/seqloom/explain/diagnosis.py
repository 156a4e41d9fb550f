"""What a model gets right and wrong, as a page: scores, classes, what it confuses, how far it can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from seqloom.charts.figure import Figure
from seqloom.charts.page import Page
from seqloom.explain.confusion import confusion_map, labels_to_show, most_confused
from seqloom.explain.reliability import confidence_histogram, reliability_diagram
from seqloom.explain.score_tiles import TILES_STYLE, score_tiles
from seqloom.metrics.classification import (
    CalibrationBin,
    ClassScores,
    Confusion,
    Diagnosis,
    Mistake,
    expected_calibration_error,
)

_MOST_PAIRS = 12
_MOST_CHARACTERS = 220
"""Of a text that was mistaken; the whole stands at the pointer."""

_STYLE = """
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; margin-top: .75rem }
th, td { padding: .38rem .6rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap }
th { font-weight: 600; color: var(--soft); font-size: .8rem; vertical-align: bottom }
th:first-child, td:first-child { padding-left: 0 } .name { text-align: left; overflow-wrap: anywhere }
.text { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 16rem; font-size: .9rem }
.right { color: var(--c2) } .wrong { color: var(--c1) }
.of { display: inline-block; width: 5rem; height: .5rem; margin-right: .6rem; background: var(--tint); overflow: hidden;
  border-radius: 3px; text-align: left } .of i { display: block; height: 100%; background: var(--c0) }
.square { max-width: 26rem }
@media print { tr { break-inside: avoid } }
"""


def diagnosis_page(diagnosis: Diagnosis, title: str, about: str = "") -> Page:
    """The page. Everything in it is escaped; it loads nothing from anywhere. `about` is a line below the title."""
    places = labels_to_show(diagnosis.confusion)
    matrix = [confusion_map(diagnosis.confusion, places)] if places else []
    calibration: list[Figure] = []
    if diagnosis.bins:
        calibration = [reliability_diagram(diagnosis.bins), confidence_histogram(diagnosis.bins)]
    parts = [
        f'<h1>{escape(title)}</h1><p class="soft">{escape(about)}</p>',
        _scores(diagnosis.scores),
        *(_confusion(diagnosis.confusion, len(places), figure) for figure in matrix),
        _classes(diagnosis.classes),
        _reliability(diagnosis.bins, calibration),
        _mistakes(diagnosis.mistakes),
    ]
    return Page(title, "\n".join(part for part in parts if part), [*matrix, *calibration], TILES_STYLE + _STYLE)


def _scores(scores: dict[str, float]) -> str:
    shown = {
        name.replace("_", " "): f"{value:,.4f}" if isinstance(value, float) else f"{value:,}"
        for name, value in scores.items()
    }
    return score_tiles(shown)


def _confusion(confusion: Confusion, shown: int, matrix: Figure) -> str:
    labels = len(confusion.labels)
    which = "" if shown == labels else f", for the {shown} of {labels} with most mistakes"
    pairs = most_confused(confusion, _MOST_PAIRS)
    rows = [
        [_name(pair.expected), _name(pair.predicted), _cell(f"{pair.times:,}"), _cell(f"{pair.share:.1%}")]
        for pair in pairs
    ]
    listed = _table(["<expected", "<predicted", "times", "of all expected"], rows) if pairs else "<p>Nothing.</p>"
    return f"""<h2>Confusion matrix</h2>
<p class="soft">A row is what was expected, a column what was predicted{which}; the colour is the share of the row.</p>
{matrix.html()}
<h2>Confused most often</h2>
<div class="wide">{listed}</div>"""


def _classes(classes: Sequence[ClassScores]) -> str:
    rows = [
        [
            _name(scores.label),
            f'<td><span class="of"><i style="width:{scores.f1:.0%}"></i></span>{scores.f1:.3f}</td>',
            *map(
                _cell,
                (f"{scores.precision:.3f}", f"{scores.recall:.3f}", f"{scores.expected:,}", f"{scores.predicted:,}"),
            ),
        ]
        for scores in sorted(classes, key=lambda scores: (-scores.expected, scores.label))
    ]
    return f"""<h2>Class by class</h2>
<p class="soft">Precision: how much of what was predicted was right. Recall: how much of what was expected was
found.</p>
<div class="wide">{_table(["<class", "F1", "precision", "recall", "expected", "predicted"], rows)}</div>"""


def _reliability(bins: Sequence[CalibrationBin], figures: Sequence[Figure]) -> str:
    if not figures:
        return ""
    error = expected_calibration_error(bins)
    return f"""<h2>Are its probabilities calibrated?</h2>
<p class="soft">On the diagonal, as many answers are right as their probability says; below it the model is too sure.
The mean distance, weighted by answers, is {error:.3f}.</p>
<div class="square">{"".join(figure.html() for figure in figures)}</div>"""


def _mistakes(mistakes: Sequence[Mistake]) -> str:
    if not mistakes:
        return "<h2>Sure and wrong</h2><p>No mistakes.</p>"
    rows = [
        [
            _cell(f"{mistake.probability:.3f}"),
            f'<td class="name right">{escape(mistake.expected)}</td>',
            f'<td class="name wrong">{escape(mistake.predicted)}</td>',
            _text(mistake.text),
        ]
        for mistake in mistakes
    ]
    return f"""<h2>Sure and wrong</h2>
<p class="soft">The mistakes that the model was surest of. Some may be mistakes of the data.</p>
<div class="wide">{_table(["probability", "<expected", "<predicted", "<text"], rows)}</div>"""


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """`rows` are of whole cells; a heading after `<` stands at the left."""
    head = "".join(
        f'<th class="name">{heading[1:]}</th>' if heading.startswith("<") else f"<th>{heading}</th>"
        for heading in headings
    )
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(content: str) -> str:
    return f"<td>{escape(content)}</td>"


def _name(name: str) -> str:
    return f'<td class="name">{escape(name)}</td>'


def _text(text: str) -> str:
    if len(text) <= _MOST_CHARACTERS:
        return f'<td class="text">{escape(text)}</td>'
    return f'<td class="text" title="{escape(text)}">{escape(text[: _MOST_CHARACTERS - 1])}…</td>'
