"""Settings that change nothing because the data holds texts, or because it holds numbers."""

from __future__ import annotations

from collections.abc import Iterable

from seqloom.errors import RequestError


def check_kind_of_data(
    names: Iterable[str], of_texts: tuple[str, ...], of_numbers: tuple[str, ...], holds_numbers: bool, where: str
) -> None:
    """`of_texts`, `of_numbers`: how the names of the settings begin that only one kind of data needs. Raises
    RequestError for the first of the settings `names` that is for the other kind."""
    kinds = "texts", "sequences of numbers"
    for name in names:
        if name.startswith(of_texts if holds_numbers else of_numbers):
            raise RequestError(
                "the setting changes nothing with this data",
                where=name,
                got=f"{where}, which holds {kinds[holds_numbers]}",
                expected=kinds[not holds_numbers],
            )
