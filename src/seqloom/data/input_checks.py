"""Checks of inputs from Python code: a list is expected, in which each item is valid text or a sequence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from seqloom.errors import RequestError


def checked_inputs(inputs: Iterable[Any]) -> list[Any]:
    """The inputs of one call as a list. Raises RequestError for a single text instead of a list, and for text that
    cannot be encoded."""
    if isinstance(inputs, str | bytes):
        raise RequestError("a list of inputs is expected", got=f"one text, {shown(inputs)}", expected="[text, ...]")
    if not isinstance(inputs, Iterable):
        raise RequestError("a list of inputs is expected", got=shown(inputs), expected="[text, ...]")
    items = list(inputs)
    with contextlib.suppress(TypeError, UnicodeEncodeError):
        "".join(items).encode()  # all at once, which is fast; nearly always they are valid texts
        return items
    for number, item in enumerate(items, 1):
        check_text(item, f"input {number}")
    return items


def check_texts(inputs: Sequence[Any]) -> None:
    """Raises RequestError for the first input that is not a text, where the model reads texts alone."""
    for number, item in enumerate(inputs, 1):
        if not isinstance(item, str):
            raise RequestError("an input is a text", where=f"input {number}", got=shown(item))


def check_text(item: Any, where: str) -> None:
    """Raises RequestError for an item that is neither a text nor a sequence, and for text with a lone surrogate, also
    within a tuple or list."""
    if isinstance(item, str):
        try:
            item.encode()
        except UnicodeEncodeError as error:
            surrogate = f"a lone surrogate, {shown(item[error.start])}"
            raise RequestError("the text is not valid Unicode", where=where, got=surrogate) from None
    elif isinstance(item, tuple | list):
        for part in item:
            if isinstance(part, str):
                check_text(part, where)
    elif item is None or isinstance(item, bytes | int | float):
        raise RequestError("an input is a text or a sequence", where=where, got=shown(item))


def shown(value: object) -> str:
    """The value as Python writes it, shortened."""
    return repr(value)[:80]
