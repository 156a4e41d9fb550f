"""Frequencies of series: grids of equal steps, their inference, names and date formats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import RequestError

Unit = Literal["step", "second", "business day", "month"]
Indices = NDArray[np.int64]
Times = NDArray[Any]
"""datetime64 of seconds, or int64 where times are numbers of steps."""

_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MONTHS = {"mo": 1, "q": 3, "y": 12}
_NAMES = {
    "1s": "every second", "1m": "every minute", "1h": "hourly", "1d": "daily", "1b": "business days", "1w": "weekly",
    "1mo": "monthly", "1q": "quarterly", "1y": "yearly", "1": "numbered steps",
}  # fmt: skip
_PERIODS = {"1h": 24, "30m": 48, "15m": 96, "10m": 144, "5m": 288, "1d": 7, "1b": 5, "1w": 52, "1mo": 12, "1q": 4}


@dataclass(frozen=True)
class Frequency:
    """A grid with `count` units between two steps. `index(time)` numbers the steps from one origin for all series;
    `offset` is the distance of the grid from that origin (months, seconds)."""

    unit: Unit
    count: int
    offset: int = 0

    @property
    def text(self) -> str:
        """As in the settings: 1, 15m, 1h, 1d, 1b, 1w, 1mo, 1q, 1y."""
        if self.unit == "step":
            return str(self.count)
        if self.unit == "business day":
            return f"{self.count}b"
        units = _MONTHS if self.unit == "month" else {k: v for k, v in _SECONDS.items() if k != "min"}
        name, size = max(((k, v) for k, v in units.items() if self.count % v == 0), key=lambda pair: pair[1])
        return f"{self.count // size}{name}"

    @property
    def description(self) -> str:
        return _NAMES.get(self.text, f"every {self.text}")

    @property
    def period(self) -> int:
        """The usual season in steps; 1 if there is none."""
        return _PERIODS.get(self.text, 1)

    def index(self, times: Times) -> tuple[Indices, NDArray[np.bool_]]:
        """The number of each time's step, and whether the time is on the grid."""
        units = _units(times, self.unit) - self.offset
        on_grid = units % self.count == 0
        if self.unit == "business day":
            on_grid &= np.is_busday(times.astype("datetime64[D]"))
        return units // self.count, on_grid

    def floor(self, times: Times) -> Indices:
        """The step that each time falls in."""
        return (_units(times, self.unit) - self.offset) // self.count

    def times(self, indices: Indices) -> Times:
        units = np.asarray(indices, np.int64) * self.count + self.offset
        if self.unit == "step":
            return units
        if self.unit == "second":
            return units.astype("datetime64[s]")
        if self.unit == "business day":
            return np.busday_offset(np.datetime64("1970-01-01"), units, roll="forward").astype("datetime64[s]")
        return units.astype("datetime64[M]").astype("datetime64[s]")

    def to_text(self, indices: Indices) -> list[str]:
        """The times as text in tables."""
        times = self.times(indices)
        if self.unit == "step":
            return [str(time) for time in times.tolist()]
        digits: Any = "s" if self.unit == "second" and (self.count % 86_400 or self.offset % 86_400) else "D"
        return np.datetime_as_string(times.astype(f"datetime64[{digits}]")).tolist()

    @classmethod
    def parse(cls, text: str) -> Frequency:
        match = re.fullmatch(r"(\d*)(s|min|m|h|d|b|w|mo|q|y)?", text.strip().lower())
        if match is None or not text.strip() or match[1] == "0":
            raise RequestError(
                "not a frequency", where="data.frequency", got=text,
                expected="a number and a unit: 1, 30s, 15m, 1h, 1d, 1b (business day), 1w, 1mo, 1q, 1y",
            )  # fmt: skip
        count, unit = int(match[1] or 1), match[2]
        if unit is None:
            return cls("step", count)
        if unit == "b":
            return cls("business day", count)
        if unit in _MONTHS:
            return cls("month", count * _MONTHS[unit])
        # Weeks begin on Mondays; 1970-01-01 was a Thursday.
        return cls("second", count * _SECONDS[unit], 4 * 86_400 if unit == "w" else 0)


def _units(times: Times, unit: Unit) -> Indices:
    """Whole units since 1970-01-01, or numbers of steps as they are."""
    if unit == "step":
        return times.astype(np.int64)
    if unit == "month":
        return times.astype("datetime64[M]").astype(np.int64)
    if unit == "business day":
        return np.busday_count(np.datetime64("1970-01-01"), times.astype("datetime64[D]")).astype(np.int64)
    return times.astype("datetime64[s]").astype(np.int64)


def infer_frequency(times: Times, first_of_series: NDArray[np.bool_]) -> Frequency:
    """The frequency of ascending times, series after series; `first_of_series` marks the first time of each series.

    Months if all times are on the same day of the month or on its last one; otherwise the most common distance.
    """
    ahead = ~first_of_series[1:] & (times[1:] > times[:-1])
    if not ahead.any():
        return Frequency("step", 1) if times.dtype.kind == "i" else Frequency("second", 86_400)
    if times.dtype.kind == "i":
        count = int(np.gcd.reduce(np.diff(times)[ahead])) or 1
        return Frequency("step", count, int(times[0]) % count)
    if _same_day_of_month(times):
        months = _units(times, "month")
        count = int(np.gcd.reduce(np.diff(months)[ahead]))
        if count > 0:
            return Frequency("month", count, int(months[0]) % count)
    seconds = _units(times, "second")
    distances, counts = np.unique(np.diff(seconds)[ahead], return_counts=True)
    count = int(distances[counts.argmax()])
    if count == 86_400 and (distances == 3 * 86_400).any() and np.is_busday(times.astype("datetime64[D]")).all():
        return Frequency("business day", 1)
    return Frequency("second", count, int(seconds[0]) % count)


def _same_day_of_month(times: Times) -> bool:
    days = times.astype("datetime64[D]")
    if (times != days).any():
        return False
    first = days == days.astype("datetime64[M]")
    following = days + np.timedelta64(1, "D")
    last = following == following.astype("datetime64[M]")
    numbers = (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
    return bool(first.all() or last.all() or (numbers == numbers[0]).all())


FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
    "%Y-%m-%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M",
    "%d.%m.%Y", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y",
    "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y",
)  # fmt: skip
"""Formats of whole dates, for `strptime`."""

FORMATS_OF_MONTHS = ("%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%B %Y", "%b-%Y", "%Y %b", "%Y %B", "%YM%m", "%Ym%m", "%b-%y")
"""Formats without a day."""


def contradictory(formats: Sequence[str]) -> bool:
    """Whether some of these formats have the day first and others the month."""
    return len({form.index("%d") < form.index("%m") for form in formats if "%d" in form and "%m" in form}) > 1
