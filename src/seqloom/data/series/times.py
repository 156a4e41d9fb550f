"""Parses the column of times of a table: text, dates or numbers of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from seqloom.data.series.frequency import FORMATS, FORMATS_OF_MONTHS, Times, contradictory
from seqloom.errors import RequestError, SeqloomError

if TYPE_CHECKING:
    import polars as pl


def parse_times(column: pl.Series, date_format: str, where: str, first_line: int) -> Times:
    """datetime64[s], or int64 for numbers of steps. Dates may have any usual format, but all the same.

    Raises SeqloomError with the line of a time that is missing or cannot be parsed.
    """
    import polars as pl

    missing = column.is_null().arg_true()
    if len(missing):
        raise SeqloomError(
            "a time is missing", where=f"{where}:{missing[0] + first_line}", expected="a time in each row"
        )
    if column.dtype.is_integer():
        if _are_days(column):
            return _dates(column.cast(pl.String), "%Y%m%d", where, first_line)
        return column.cast(pl.Int64).to_numpy()
    if column.dtype.is_float():
        numbers = column.cast(pl.Int64, strict=False)
        odd = (numbers.cast(pl.Float64) != column).fill_null(True).arg_true()
        if len(odd):
            raise SeqloomError(
                "a step number is not a whole number", where=f"{where}:{odd[0] + first_line}", got=column[odd[0]]
            )
        return numbers.to_numpy()
    if column.dtype.is_temporal():
        return column.cast(pl.Datetime("us")).to_numpy().astype("datetime64[s]")
    return _dates(column.cast(pl.String), date_format, where, first_line)


def looks_like_dates(column: pl.Series) -> bool:
    """Whether a column may hold the times, by its type and first values."""
    import polars as pl

    if column.dtype.is_temporal():
        return True
    if column.dtype.is_integer():
        return _are_days(column)
    if column.dtype != pl.String:
        return False
    first = column.drop_nulls().head(20)
    return bool(len(first)) and any(not parse(first).null_count() for parse in _parsers("").values())


def _are_days(column: pl.Series) -> bool:
    """Whether whole numbers are dates such as 20240131."""
    numbers = column.drop_nulls().to_numpy()
    months, days = numbers // 100 % 100, numbers % 100
    inside = (numbers >= 18000101) & (numbers <= 22001231) & (months >= 1) & (months <= 12) & (days >= 1) & (days <= 31)
    return bool(len(numbers) and inside.all())


_Parser = Callable[["pl.Series"], "pl.Series"]


def _parsers(date_format: str) -> dict[str, _Parser]:
    """A parser for each date format; it gives null for text in another format."""
    import polars as pl

    def of(form: str) -> _Parser:
        return lambda column: column.str.strptime(pl.Datetime("us"), form, strict=False)

    def of_months(form: str) -> _Parser:
        return lambda column: of(f"{form} %d")(column + " 1")

    def quarters(column: pl.Series) -> pl.Series:
        parts = column.str.extract_groups(r"^(?P<year>\d{4})[- ]?[Qq](?P<quarter>[1-4])$").struct.unnest()
        month = (parts["quarter"].cast(pl.Int64) * 3 - 2).cast(pl.String)
        return of("%Y-%m-%d")(parts["year"] + "-" + month + "-1")

    if date_format:
        return {date_format: of(date_format)}
    months = {form: of_months(form) for form in FORMATS_OF_MONTHS}
    return {form: of(form) for form in FORMATS} | months | {"%YQ%q": quarters}


def _dates(column: pl.Series, date_format: str, where: str, first_line: int) -> Times:
    column = column.str.strip_chars()
    head = column.head(1_000)
    fitting = [parser for parser in _parsers(date_format).items() if parser[1](head).null_count() < len(head)]
    parsings = [(form, parse(column)) for form, parse in fitting]
    complete = [(form, parsed) for form, parsed in parsings if not parsed.null_count()]
    if not complete:
        raise _format_error(column, parsings, date_format, where, first_line)
    if contradictory([form for form, _ in complete]) and any(
        (complete[0][1] != other).any() for _, other in complete[1:]
    ):
        raise RequestError(
            "dates are ambiguous: the day or the month may come first", where=f"{where}:{first_line}", got=column[0],
            hint="--set data.date_format=%d/%m/%Y, or %m/%d/%Y",
        )  # fmt: skip
    return complete[0][1].to_numpy().astype("datetime64[s]")


def _format_error(
    column: pl.Series, parsings: list[tuple[str, pl.Series]], date_format: str, where: str, first_line: int
) -> SeqloomError:
    """The error for a column that no single date format fits."""
    if not parsings:
        return RequestError(
            "the times are not dates", where=f"{where}:{first_line}", got=column[0],
            expected=date_format or "dates such as 2024-01-31 or 2024-01, or numbers of steps",
            hint="--set data.date_format=FORMAT, as strptime takes it",
        )  # fmt: skip
    form, best = min(parsings, key=lambda pair: pair[1].null_count())
    row = int(np.argmax(best.is_null().to_numpy()))
    other = any(not parsed.is_null()[row] for _, parsed in parsings)
    return SeqloomError(
        "dates have two formats" if other else "a time is not a date",
        where=f"{where}:{row + first_line}", got=column[row], expected=f"the format of the others, {form}",
    )  # fmt: skip
