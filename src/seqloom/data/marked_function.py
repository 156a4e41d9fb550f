"""Functions of the user that divide texts into tokens: their mark, their names in runs, and how they are imported."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, TypeVar

from seqloom.errors import RequestError

Divide = Callable[[str], Iterable[str]]
F = TypeVar("F", bound=Divide)

PRE_TOKENIZER = "Function"
"""The type of pre-tokenizer in the `tokenizer.json` of a run whose texts a function divides."""
_MARK = "__seqloom_tokenizer__"
_TRUSTED = "SEQLOOM_TOKENIZERS"


def tokenizer(function: F) -> F:
    """Marks a function that divides a text into tokens, so that `tokenizer.function` may name it.

    Only functions with the mark are called: otherwise a run from elsewhere could name any function of any module.
    """
    try:
        setattr(function, _MARK, True)
    except AttributeError:  # functions that are written in C have no attributes of their own
        raise RequestError(
            "the function cannot be marked",
            where="seqloom.tokenizer",
            got=repr(function)[:80],
            expected="a function in Python, which may call it",
        ) from None
    return function


def import_path(function: Divide) -> str:
    """`module:name` of a marked function. Raises RequestError where another process could not import it."""
    path = f"{getattr(function, '__module__', None)}:{getattr(function, '__qualname__', repr(function))}"
    if path.startswith("__main__:") or "<" in path:
        raise RequestError(
            "a run cannot name this function, so it could not be used again",
            where="tokenizer.function",
            got=path,
            expected="a function at the top level of a module that can be imported",
            hint="put it into a file of its own, such as my_tokens.py, and import it from there",
        )
    if imported(path) is not function:
        raise RequestError("another function has this name", where="tokenizer.function", got=path)
    return path


def imported(path: str) -> Divide:
    """The function with this path.

    Its module has to be imported already, or to be named in the environment variable `SEQLOOM_TOKENIZERS`: a run from
    elsewhere does not decide what is executed. Raises RequestError otherwise, and where the function has no mark.
    """
    where, (module, _, name) = f"tokenizer.function: {path}", path.partition(":")
    if not module or not name:
        raise RequestError("this is not the path of a function", where=where, expected="module:name")
    if module not in sys.modules and module not in os.environ.get(_TRUSTED, "").split(","):
        raise RequestError(
            "the module of the function that divides texts into tokens is not imported",
            where=where,
            hint=f"import {module} first, or name it in the environment: {_TRUSTED}={module}",
        )
    try:
        function: Any = import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
    except Exception as error:  # a module of the user may raise anything
        raise RequestError(
            "the function that divides texts into tokens cannot be imported",
            where=where,
            got=f"{type(error).__name__}: {error}",
            hint="put the folder of its module on PYTHONPATH",
        ) from None
    if not getattr(function, _MARK, False):
        raise RequestError(
            "the function is not marked as a tokenizer", where=where, expected="@seqloom.tokenizer above its definition"
        )
    return function


def source_hash(path: str) -> str:
    """A hash of the path and of the source of its module where it can be read, for the cache of encoded texts."""
    try:
        source = inspect.getsource(inspect.getmodule(imported(path)))  # type: ignore[arg-type]
    except (OSError, TypeError, RequestError):  # the function is refused where it is used
        source = ""
    return hashlib.sha256(f"{path}\n{source}".encode()).hexdigest()
