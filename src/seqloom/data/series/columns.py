"""The roles of a table's columns: time, series name, values, covariates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from seqloom.config import Settings
from seqloom.data.series.times import looks_like_dates
from seqloom.errors import RequestError, unknown_name

if TYPE_CHECKING:
    import polars as pl

_TIMES = ("date", "time", "datetime", "timestamp", "ds", "period", "month", "week", "day", "year", "step", "index", "t")
_SERIES = ("series", "unique_id", "series_id", "item_id", "id", "sequence", "name")
_VALUES = ("value", "y", "target", "values")


class ColumnSettings(Settings):
    """Settings about the columns; what is not set is recognised by names and types."""

    time: str = Field("", description="the column of times; otherwise one named date, time, ds, step, year or such")
    series: str = Field(
        "", description="the column of the series' names; otherwise one named series, unique_id or such"
    )
    target: tuple[str, ...] = Field(
        (), description="the column of values; several columns are one series each; otherwise value, y or all numbers"
    )
    past: tuple[str, ...] = Field((), description="columns of covariates that are known up to the present only")
    ahead: tuple[str, ...] = Field((), description="columns of covariates that are known ahead, such as holidays")
    static: tuple[str, ...] = Field((), description="columns that are constant within a series")
    date_format: str = Field("", description="the format of dates, such as %d/%m/%Y, if it is ambiguous")
    frequency: str = Field(
        "", description="1, 15m, 1h, 1d, 1b, 1w, 1mo, 1q or 1y; coarser than the data: values are aggregated"
    )
    aggregate: Literal["mean", "sum", "last"] = Field(
        "mean", description="how the values of a coarser step are aggregated"
    )
    gaps: Literal["interpolate", "previous", "zero", "refuse"] = Field(
        "interpolate", description="how missing values between others are filled"
    )
    period: int = Field(0, ge=0, le=100_000, description="steps of a season; 0: the usual one of the frequency")

    @field_validator("target", "past", "ahead", "static", mode="before")
    @classmethod
    def _separated(cls, value: Any) -> Any:
        """One name, or several separated by commas, as on the command line; a name with a comma needs a list."""
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


class Columns(Settings):
    """The roles of the columns of a table. `series` empty: each column of `target` is a series."""

    time: str
    series: str
    target: tuple[str, ...]
    past: tuple[str, ...]
    ahead: tuple[str, ...]
    static: tuple[str, ...]

    def all(self) -> list[str]:
        names = [self.time, self.series, *self.target, *self.past, *self.ahead, *self.static]
        return [name for name in dict.fromkeys(names) if name]


_NUMBERS = 0.8
"""A text column with at least this share of numbers is a column of numbers with mistakes."""


def recognised_columns(frame: pl.DataFrame, settings: ColumnSettings, where: str) -> Columns:
    """The roles of the columns. Raises RequestError if they are not clear, or the first row is no header."""
    import polars as pl

    numeric = [name for name in frame.columns if _mostly_numbers(frame[name])]
    dates = [name for name in frame.columns if looks_like_dates(frame[name])]
    columns = recognise(settings, frame.columns, numeric, dates, where)
    if not settings.time and looks_like_dates(pl.Series([columns.time])):
        raise RequestError(
            "the table has no header", where=f"{where}:1", got=", ".join(frame.columns),
            expected="names of the columns in the first row, such as date,value",
        )  # fmt: skip
    return columns


def _mostly_numbers(column: pl.Series) -> bool:
    import polars as pl

    if column.dtype != pl.String:
        return column.dtype.is_numeric()
    numbers, words = column.cast(pl.Float64, strict=False), column.drop_nulls()
    return len(words) > 0 and len(numbers.drop_nulls()) >= _NUMBERS * len(words)


def recognise(
    settings: ColumnSettings, names: Sequence[str], numeric: Sequence[str], dates: Sequence[str], where: str
) -> Columns:
    """The roles of the columns called `names`, `numeric` and `dates` among them.

    Raises RequestError if a named column does not exist, or no column can be recognised as the values.
    """
    named = [settings.time, settings.series, *settings.target, *settings.past, *settings.ahead, *settings.static]
    for name in named:
        if name and name not in names:
            raise unknown_name("column", name, names, where=where)
    taken = {name for name in named if name}
    time = settings.time or _first(names, _TIMES, taken) or next((n for n in dates if n not in taken), "")
    if not time:
        raise RequestError(
            "no column is recognised as the times", where=where, got=", ".join(names),
            expected=f"a column named {', '.join(_TIMES[:6])} or such", hint="--set data.time=NAME",
        )  # fmt: skip
    taken.add(time)
    target = settings.target or tuple(filter(None, [_first(names, _VALUES, taken)]))
    taken.update(target)
    series = settings.series or _first(names, _SERIES, taken)
    if not series and len(settings.target) < 2:
        series = next((n for n in names if n not in taken and n not in numeric and n not in dates), "")
    taken.add(series)
    target = target or tuple(name for name in numeric if name not in taken)
    if not target or (series and len(target) > 1):
        raise RequestError(
            "it is not clear which column holds the values" if target else "no column is recognised as the values",
            where=where, got=", ".join(names), expected="a column named value, y or target",
            hint="--set data.target=NAME",
        )  # fmt: skip
    return Columns(
        time=time, series=series, target=target, past=settings.past, ahead=settings.ahead, static=settings.static
    )


def _first(names: Sequence[str], known: Sequence[str], taken: set[str]) -> str:
    """The first of the `known` names among `names`, regardless of case."""
    lower: dict[str, str] = {}
    for name in names:
        if name not in taken:
            lower.setdefault(name.strip().lower(), name)
    return next((lower[name] for name in known if name in lower), "")
