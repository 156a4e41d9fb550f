"""An axis of a chart: from values to shares of its length, and the round values to mark on it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt

_NAMED_TICKS = 6
"""The most ticks with names."""

_MULTIPLES = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7))


@dataclass(frozen=True)
class Axis:
    """`low` to `high`, linear or logarithmic. `names`: texts to show instead of values, such as dates of steps."""

    low: float
    high: float
    log: bool
    label: str
    names: Mapping[float, str] = field(default_factory=dict)

    @classmethod
    def over(cls, values: Sequence[float], label: str, log: bool) -> Axis:
        """An axis that holds the values with some room to spare; without negative values it does not go below 0."""
        low, high = min(values), max(values)
        if log and low > 0:
            room = max((high / low) ** 0.08, 1.05)
            return cls(low / room, high * room, True, label)
        room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
        return cls(max(low - room, 0.0) if low >= 0 else low - room, high + room, False, label)

    def share(self, value: float) -> float:
        """Where the value lies: 0 at `low`, 1 at `high`; what lies outside is put on the border."""
        value = min(max(value, self.low), self.high)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def text(self, value: float) -> str:
        return self.names.get(value) or f"{value:.4g}"

    def ticks(self) -> list[float]:
        """About four to ten round values, or evenly spaced ones of those that have names."""
        if self.names:
            named = sorted(value for value in self.names if self.low <= value <= self.high)
            return named[:: max(1, -(-len(named) // _NAMED_TICKS))]
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for multiples in _MULTIPLES:
                marks = [m * 10.0**d for d in decades for m in multiples if self.low <= m * 10.0**d <= self.high]
                if len(marks) >= 4:
                    return marks
        span = self.high - self.low
        step = 10.0 ** math.floor(math.log10(span / 4))
        step = next((step * m for m in (1, 2, 5, 10) if span / (step * m) <= 6), step * 10)
        return [step * k for k in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def shown(value: float) -> str:
    """A number short enough for a tick: 1.5 M, 20 k, 300, 0.25."""
    for size, suffix in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(value) >= size:
            return f"{value / (1e3 if suffix == ' k' else size):.3g}{suffix}"
    return f"{value:.4g}"


_TICK_LABEL = "abs(datum.value) >= 10000 ? format(datum.value, '.3~s') : format(datum.value, '.4~g')"
"""What `shown` writes, as an expression of Vega."""


def altair_axis(axis: Axis) -> dict[str, Any]:
    """The arguments of `alt.X` or `alt.Y` for this axis: its scale, its title and its ticks."""
    ends, ticks = [axis.low, axis.high], axis.ticks()
    label = _TICK_LABEL
    if axis.names:
        label = f"{json.dumps({f'{tick:g}': axis.text(tick) for tick in ticks})}[datum.value]"
    scale = (
        alt.Scale(type="log", domain=ends, nice=False) if axis.log else alt.Scale(domain=ends, nice=False, zero=False)
    )
    return {
        "title": f"{axis.label}, logarithmic" if axis.log else axis.label,
        "scale": scale,
        "axis": alt.Axis(values=ticks, labelExpr=label),
    }
