"""Whether probabilities can be believed: accuracy against probability, and how many answers had each; inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

from seqloom.metrics.classification import CalibrationBin

_SIDE = 320  # pixels of the square that both go along from 0 to 1
_LEFT, _TOP, _MARGIN = 56, 30, 14
_BARS = 60  # pixels of the highest bar
_BAR_WIDTH = 18
_BELOW = 40

RELIABILITY_STYLE = """
.grid { stroke: var(--rule) } .ideal { stroke: var(--soft); stroke-dasharray: 4 4 }
.trust { fill: none; stroke: var(--c0); stroke-width: 1.6; stroke-linejoin: round }
.gap { stroke: var(--c1); stroke-width: 3; stroke-opacity: .45 }
.dot { fill: var(--c0) } .many { fill: var(--c0); fill-opacity: .35 }
"""


def reliability_diagram(bins: Sequence[CalibrationBin]) -> str:
    """A point a bin; where probabilities can be believed, points lie on the diagonal. Below, the share of the answers
    in each. Goes with `RELIABILITY_STYLE`."""
    width = _LEFT + _SIDE + _MARGIN
    floor = _TOP + _SIDE
    height = floor + _BELOW + _BARS + 24
    parts = [*_axes(floor), *_bars(bins, floor + _BELOW + _BARS), *_points(bins, floor)]
    label = "accuracy against probability"
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _across(probability: float) -> float:
    return _LEFT + probability * _SIDE


def _axes(floor: float) -> list[str]:
    parts = []
    for tenths in range(0, 11, 2):
        share, along = tenths / 10, tenths / 10 * _SIDE
        x, y = _LEFT + along, floor - along
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + _SIDE}" y1="{y:.0f}" y2="{y:.0f}"/>')
        parts.append(f'<line class="grid" x1="{x:.0f}" x2="{x:.0f}" y1="{_TOP}" y2="{floor}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y:.0f}" dy=".35em" text-anchor="end">{share:.1f}</text>')
        parts.append(f'<text class="tick" x="{x:.0f}" y="{floor + 18}" text-anchor="middle">{share:.1f}</text>')
    parts.append(f'<line class="ideal" x1="{_LEFT}" x2="{_LEFT + _SIDE}" y1="{floor}" y2="{_TOP}"/>')
    parts.append('<text class="label" x="8" y="14">share that was right</text>')
    return parts


def _points(bins: Sequence[CalibrationBin], floor: float) -> list[str]:
    """The gaps to the diagonal, the line through the points, and the points."""
    places = [(_across(one.probability), floor - one.accuracy * _SIDE, one) for one in bins]
    gaps = [
        f'<line class="gap" x1="{x:.1f}" x2="{x:.1f}" y1="{floor - one.probability * _SIDE:.1f}" y2="{y:.1f}"/>'
        for x, y, one in places
    ]
    through = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
    dots = [
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4.5"><title>{_about(one)}</title></circle>'
        for x, y, one in places
    ]
    return [*gaps, f'<polyline class="trust" points="{through}"/>', *dots]


def _bars(bins: Sequence[CalibrationBin], floor: float) -> list[str]:
    """How many answers each point stands for."""
    most = max((one.answers for one in bins), default=1)
    parts = []
    for one in bins:
        x, high = _across(one.probability) - _BAR_WIDTH / 2, max(one.answers / most * _BARS, 1.0)
        place = f'x="{x:.1f}" y="{floor - high:.1f}" width="{_BAR_WIDTH}" height="{high:.1f}"'
        parts.append(f'<rect class="many" {place}><title>{_about(one)}</title></rect>')
    about = "probability of the answer; the bars: how many"
    middle = _LEFT + _SIDE / 2
    return [*parts, f'<text class="label" x="{middle}" y="{floor + 18}" text-anchor="middle">{about}</text>']


def _about(one: CalibrationBin) -> str:
    return f"{one.answers:,} answers at {one.probability:.2f} on average, {one.accuracy:.1%} right"
