"""Checks of the options of decoding; errors name the option, its value and the valid values."""

from __future__ import annotations

from seqloom.errors import RequestError

MOST_SEED = 2**32 - 1


def check_option(name: str, value: object, possible: bool, expected: str) -> None:
    """Raises RequestError if the value of an option is invalid."""
    if not possible:
        raise RequestError(f"{name} is out of range", where=name, got=value, expected=expected)


def check_seed(seed: int) -> None:
    check_option("seed", seed, 0 <= seed <= MOST_SEED, "0 to 2**32 - 1")
