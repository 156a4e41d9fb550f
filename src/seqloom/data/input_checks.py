"""Checks of the inputs that Python code hands over: a list of them, each a text that can be encoded or a sequence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from seqloom.errors import RequestError


def checked_inputs(inputs: Iterable[Any]) -> list[Any]:
    """The inputs of one call in a list. Raises RequestError for a single text where several are expected, and for text
    that cannot be encoded."""
    if isinstance(inputs, str | bytes):
        raise RequestError("a list of inputs is expected", got=f"one text, {shown(inputs)}", expected="[text, ...]")
    if not isinstance(inputs, Iterable):
        raise RequestError("a list of inputs is expected", got=shown(inputs), expected="[text, ...]")
    taken = list(inputs)
    with contextlib.suppress(TypeError, UnicodeEncodeError):
        "".join(taken).encode()  # all at once, where they are texts and in order, as nearly always
        return taken
    for number, item in enumerate(taken, 1):
        check_text(item, f"input {number}")
    return taken


def check_text(item: Any, where: str) -> None:
    """Raises RequestError for what is neither a text nor a sequence, and for a text with a lone surrogate, also as a
    part of a tuple or a list."""
    if isinstance(item, str):
        try:
            item.encode()
        except UnicodeEncodeError as error:
            got = f"a lone surrogate, {shown(item[error.start])}"
            raise RequestError("the text is not valid Unicode", where=where, got=got) from None
    elif isinstance(item, tuple | list):
        for part in item:
            if isinstance(part, str):
                check_text(part, where)
    elif item is None or isinstance(item, bytes | int | float):
        raise RequestError("an input is a text or a sequence", where=where, got=shown(item))


def shown(value: object) -> str:
    """The beginning of how Python writes a value."""
    return repr(value)[:80]
