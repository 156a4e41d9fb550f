"""The confusion matrix as a heat map, and the pairs that are confused most often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.charts.figure import DataTable, DrawnFigure
from seqloom.charts.heat_map import Cell, heat_map
from seqloom.metrics.classification import Confusion

_MOST_LABELS = 30
"""That are shown: more could not be read."""

_SIDE, _LARGEST, _SMALLEST = 480, 72, 25  # pixels of the whole map, and of a cell
_WHOLE_FIGURES = 40  # pixels of a cell from which on its count is written out
_FAINTEST = 0.08  # shade of a single mistake

_UNITS = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9))


class Confused(NamedTuple):
    """`times` that `expected` was taken for `predicted`, and the share of all that were expected."""

    expected: str
    predicted: str
    times: int
    share: float


def most_confused(confusion: Confusion, most: int) -> list[Confused]:
    """The pairs that were confused, the most frequent first."""
    wrong, expected = _mistakes(confusion), confusion.counts.sum(1)
    rows, columns = np.nonzero(wrong)
    order = np.argsort(-wrong[rows, columns], kind="stable")[:most].tolist()
    labels = confusion.labels
    return [
        Confused(labels[row], labels[column], int(wrong[row, column]), float(wrong[row, column] / expected[row]))
        for row, column in ((int(rows[i]), int(columns[i])) for i in order)
    ]


def labels_to_show(confusion: Confusion) -> list[int]:
    """The places of all labels, or of those with the most mistakes where there are more than can be read."""
    wrong = _mistakes(confusion)
    order = np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")
    return sorted(order[:_MOST_LABELS].tolist())


def confusion_map(confusion: Confusion, places: Sequence[int]) -> DrawnFigure:
    """The labels at `places`: what was expected at the left, what was predicted along the top. A cell is
    shaded by its share of all that was expected, what is wrong in a colour of its own and raised, so that few mistakes
    are seen beside many right answers."""
    size = min(_LARGEST, max(_SMALLEST, _SIDE // max(len(places), 1)))
    labels = [confusion.labels[place] for place in places]
    counts = confusion.counts[np.ix_(places, places)].tolist()
    table = DataTable(
        ["expected ↓ predicted →", *labels],
        [[label, *(f"{count:,}" for count in row)] for label, row in zip(labels, counts, strict=True)],
    )
    cells = _cells(confusion, places, size)
    return heat_map("confusion", "confusion matrix: expected by predicted", labels, labels, cells, table, size)


def _cells(confusion: Confusion, places: Sequence[int], size: int) -> Iterator[Cell]:
    totals, part = confusion.counts.sum(1)[places], confusion.counts[np.ix_(places, places)]
    for row, column in np.argwhere(part).tolist():
        count, wrong = int(part[row, column]), row != column
        share = count / int(totals[row])
        expected, predicted = confusion.labels[places[row]], confusion.labels[places[column]]
        about = f"{expected} → {predicted}: {count:,} ({share:.1%})"
        figure = f"{count:,}" if size >= _WHOLE_FIGURES else _short(count)
        yield Cell(row, column, max(share**0.5 if wrong else share, _FAINTEST), about, figure, wrong)


def _mistakes(confusion: Confusion) -> NDArray[np.int64]:
    return confusion.counts * ~np.eye(len(confusion.labels), dtype=bool)


def _short(count: int) -> str:
    """In four characters at most."""
    unit, size = next((unit, size) for unit, size in _UNITS if count < 999.5 * size)
    digits = 1 if unit and count < 9.95 * size else 0
    return f"{count / size:.{digits}f}{unit}"
