"""Checks of the options of decoding; errors name the option, its value and the valid values."""

from __future__ import annotations

from dataclasses import fields
from numbers import Integral, Real
from typing import Any

from seqloom.errors import RequestError

MOST_SEED = 2**32 - 1
_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "float | None": ((Real, type(None)), "a number"),
}


def check_numbers(options: Any) -> None:
    """Raises RequestError where a field of the dataclass that is a number has another value."""
    for field in fields(options):
        kind, expected = _KINDS.get(str(field.type), (object, ""))
        value = getattr(options, field.name)
        if not isinstance(value, kind):
            raise RequestError(f"{field.name} is not a number", where=field.name, got=repr(value), expected=expected)


def check_option(name: str, value: object, possible: bool, expected: str) -> None:
    """Raises RequestError if the value of an option is invalid."""
    if not possible:
        raise RequestError(f"{name} is out of range", where=name, got=value, expected=expected)


def check_seed(seed: int) -> None:
    check_option("seed", seed, 0 <= seed <= MOST_SEED, "0 to 2**32 - 1")
