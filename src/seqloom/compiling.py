"""How loops are compiled: to machine code by numba, kept on disk, free of the interpreter's lock."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from numba import njit

Array = Any
"""A numpy array, as the kernels take it."""

_FAST = {"contract", "reassoc", "nsz", "arcp"}
"""Arithmetic may be regrouped, but NaN and infinity stay what they are: the trainer looks for them."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled for the types it is called with, kept on disk, and free of the interpreter's lock."""
    try:
        return njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")(plain(function))
    except RuntimeError:  # neither the package's folder nor the user's can be written: each process compiles anew
        return njit(nogil=True, fastmath=_FAST, error_model="numpy")(plain(function))


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for use in other compiled functions."""
    return njit(fastmath=_FAST, error_model="numpy")(plain(function))


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Tests wrap functions to check shapes, which a compiler cannot read."""
    return inspect.unwrap(function)
