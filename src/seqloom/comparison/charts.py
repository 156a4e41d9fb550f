"""Charts as inline SVG: curves against time, points against size. Colours are classes, so that a page can be dark."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from seqloom.axis import Axis, shown
from seqloom.page import COLOURS

_WIDTH, _HEIGHT = 820, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 124, 30, 52
_LINE_HEIGHT = 17
_LETTER_WIDTH = 7.6  # of a label, on the generous side

Place = Callable[[float], float]


@dataclass(frozen=True)
class Series:
    """One model's lines, one a seed, each of (seconds, score) points. `colour` is the model's place in the request."""

    name: str
    colour: int
    lines: Sequence[Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Point:
    """One model's place, and half the height of its interval."""

    name: str
    colour: int
    x: float
    y: float
    half_height: float | None = None


def curves(series: Sequence[Series], label: str) -> str:
    """A line for each seed of each model; the names stand at the lines' ends. Wide ranges get a logarithmic y."""
    points = [point for one in series for line in one.lines for point in line]
    if not points:
        return ""
    seconds, ys = [x for x, _ in points], [y for _, y in points]
    unit, scale = ("minutes", 60.0) if max(seconds) >= 180 else ("seconds", 1.0)
    x = Axis(0.0, max(max(seconds) / scale, 1e-9) * 1.01, False, f"{unit} of training")
    y = Axis.over(ys, label, log=min(ys) > 0 and max(ys) > 3 * min(ys))
    parts, across, down = _frame(x, y)
    for one in series:
        for seed, line in enumerate(one.lines, 1):
            places = [(across(px / scale), down(py)) for px, py in line]
            path = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
            parts.append(f'<polyline class="curve c{one.colour % COLOURS}" points="{path}"/>')
            for (px, py), (spent, score) in zip(places, line, strict=True):
                about = f"{one.name}, seed {seed}: {score:.4g} after {spent / scale:.3g} {unit}"
                parts.append(_dot(one.colour, px, py, 2.2, about))
    # Who ended early, as a model that only counts does, is named there; the others in the margin.
    early = [one for one in series if any(one.lines) and _last(one)[0] < 0.5 * max(seconds)]
    for one in early:
        parts.append(_name(one.name, one.colour, across(_last(one)[0] / scale) + 9, down(_last(one)[1])))
    ended = [one for one in series if any(one.lines) and one not in early]
    ends = [down(_last(one)[1]) for one in ended]
    for one, place in zip(ended, _spread(ends), strict=True):
        parts.append(_name(one.name, one.colour, _WIDTH - _RIGHT + 10, place))
    return _svg(parts, f"{y.label} against {x.label}")


def scatter(points: Sequence[Point], x_label: str, y_label: str) -> str:
    """A labelled point for each model, with its interval; x is logarithmic."""
    if not points:
        return ""
    ys = [p.y + sign * (p.half_height or 0.0) for p in points for sign in (-1, 1)]
    if min(p.y for p in points) >= 0:  # of a score that is never negative, the interval's part below 0 means nothing
        ys = [max(y, 0.0) for y in ys]
    y = Axis.over(ys, y_label, log=False)
    parts, across, down = _frame(Axis.over([p.x for p in points], x_label, log=True), y)
    places = [(across(point.x), down(point.y)) for point in points]
    taken = [(px - 7, py - 7, px + 7, py + 7) for px, py in places]
    names = []
    for point, (px, py) in zip(points, places, strict=True):
        about = f"{point.name}: {point.y:.4g}, {shown(point.x)} {x_label}"
        if point.half_height:
            top, bottom = down(point.y + point.half_height), down(point.y - point.half_height)
            about = f"{point.name}: {point.y:.4g} ± {point.half_height:.2g}, {shown(point.x)} {x_label}"
            bar = f"M{px:.1f} {top:.1f}V{bottom:.1f}" + "".join(f"M{px - 5:.1f} {end:.1f}h10" for end in (top, bottom))
            parts.append(f'<path class="bar c{point.colour % COLOURS}" d="{bar}"/>')
        parts.append(_dot(point.colour, px, py, 5.5, about))
        names.append(_name(point.name, point.colour, *_free_place(px, py, point.name, taken)))
    return _svg([*parts, *names], f"{y_label} against {x_label}")


def _last(series: Series) -> tuple[float, float]:
    """Where its lines end: the latest time, the mean score."""
    ends = [line[-1] for line in series.lines if line]
    return max(x for x, _ in ends), sum(y for _, y in ends) / len(ends)


def _frame(x: Axis, y: Axis) -> tuple[list[str], Place, Place]:
    """Grid, ticks and labels, and the ways from values to pixels."""
    right, floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def across(value: float) -> float:
        return _LEFT + x.share(value) * (right - _LEFT)

    def down(value: float) -> float:
        return floor - y.share(value) * (floor - _TOP)

    parts = []
    for tick in y.ticks():
        at = f"{down(tick):.1f}"
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{at}" dy=".35em" text-anchor="end">{shown(tick)}</text>')
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{floor}" y2="{floor}"/>')
    for tick in x.ticks():
        at = f"{across(tick):.1f}"
        parts.append(f'<line class="axis" x1="{at}" x2="{at}" y1="{floor}" y2="{floor + 4}"/>')
        parts.append(f'<text class="tick" x="{at}" y="{floor + 19}" text-anchor="middle">{shown(tick)}</text>')
    below, above = (escape(f"{axis.label}{', logarithmic' if axis.log else ''}") for axis in (x, y))
    middle = (_LEFT + right) / 2
    parts.append(f'<text class="label" x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{below}</text>')
    parts.append(f'<text class="label" x="{_LEFT - 8}" y="14">{above}</text>')
    return parts, across, down


def _svg(parts: Sequence[str], title: str) -> str:
    body = "\n".join(parts)
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">\n{body}\n</svg>'


def _dot(colour: int, x: float, y: float, radius: float, about: str) -> str:
    """A point that says what it is when the mouse is near it."""
    return (
        f'<circle class="dot c{colour % COLOURS}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">'
        f"<title>{escape(about)}</title></circle>"
    )


def _name(name: str, colour: int, x: float, y: float) -> str:
    return f'<text class="name c{colour % COLOURS}" x="{x:.1f}" y="{y:.1f}" dy=".35em">{escape(name)}</text>'


def _spread(places: Sequence[float]) -> list[float]:
    """The places moved apart, in order, so that labels at them do not overlap and stay above the floor."""
    order, moved = sorted(range(len(places)), key=places.__getitem__), list(places)
    for before, after in itertools.pairwise(order):
        moved[after] = max(moved[after], moved[before] + _LINE_HEIGHT)
    limit = float(_HEIGHT - _BOTTOM)
    for index in reversed(order):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - _LINE_HEIGHT
    return moved


def _free_place(x: float, y: float, name: str, taken: list[tuple[float, float, float, float]]) -> tuple[float, float]:
    """Where a point's name covers neither points nor other names, beside it if that is possible; it is then taken."""
    width = _LETTER_WIDTH * len(name)
    choices = [(x + 11, y), (x - 11 - width, y), *((x + 9, y + sign * n * 9) for n in range(1, 12) for sign in (-1, 1))]
    boxes = [(left, middle - 8, left + width, middle + 8) for left, middle in choices]
    free = [
        number
        for number, (left, top, right, bottom) in enumerate(boxes)
        if left >= _LEFT and right <= _WIDTH and top >= 0 and bottom <= _HEIGHT - _BOTTOM
        if all(right <= l or left >= r or bottom <= t or top >= b for l, t, r, b in taken)  # noqa: E741
    ]
    chosen = free[0] if free else 0
    taken.append(boxes[chosen])
    return choices[chosen]
