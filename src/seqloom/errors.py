"""Errors that a user can cause, and warnings of probable mistakes: what, where, got, expected and a hint; and how each
warning is shown once."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PACKAGE = str(Path(__file__).parent) + os.sep


class SeqloomError(Exception):
    """The work failed (exit status 1): a full disk, a broken file, a loss that is no longer finite.

    `where`: `file:line` or the dotted name of a setting. `got`, `expected`: shown as they are. `hint`: what to do.
    """

    exit_status = 1

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        got: object = None,
        expected: object = None,
        hint: str | None = None,
    ) -> None:
        self.what, self.where, self.got, self.expected, self.hint = what, where, got, expected, hint
        super().__init__(what)

    def __str__(self) -> str:
        return _described(self.what, where=self.where, got=self.got, expected=self.expected, hint=self.hint)


class RequestError(SeqloomError):
    """The request was wrong (exit status 2): an unknown name, an invalid setting, a missing file."""

    exit_status = 2


def _likeness(name: str, choice: str) -> float:
    """How similar two names are, from 0 to 1. The last part of a dotted name counts most: `model.cel_type` is more
    similar to `encoder.cell_type` than to `model.type_size`."""
    by_full_name = difflib.SequenceMatcher(None, name, choice).ratio()
    if "." not in choice:
        return by_full_name
    last = difflib.SequenceMatcher(None, name.rpartition(".")[2], choice.rpartition(".")[2]).ratio()
    return 0.3 * by_full_name + 0.7 * last


def unknown_name(kind: str, name: str, choices: Iterable[str], where: str | None = None) -> RequestError:
    """The error for a name that is not among `choices`, with the nearest valid one."""
    known = sorted(choices)
    near = sorted((choice for choice in known if _likeness(name, choice) >= 0.4), key=lambda c: -_likeness(name, c))
    return RequestError(
        f"there is no {kind} named {name!r}",
        where=where,
        expected=", ".join(known) or "(none is known)",
        hint=f"did you mean {near[0]!r}?" if near else None,
    )


class SeqloomWarning(UserWarning):
    """A probable mistake in a user's data or request, and what Seqloom assumes instead.

    The command line prints it once on standard error. In Python it is an ordinary warning: see `warnings`.
    """


def warn(
    what: str, *, where: str | None = None, got: object = None, expected: object = None, hint: str | None = None
) -> None:
    """Warns of a probable mistake; the arguments are those of `SeqloomError`. The warning points at the first line
    outside of Seqloom, so that Python's own filters show each text once."""
    _warn_outside(_described(what, where=where, got=got, expected=expected, hint=hint))


def warn_again(messages: Iterable[str]) -> None:
    """Repeats warnings that `collected_warnings` collected."""
    for message in messages:
        _warn_outside(message)


@contextlib.contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collects the texts of the warnings within the block. The warnings are shown as usual."""
    messages: list[str] = []
    _collectors.append(messages)
    try:
        yield messages
    finally:
        _collectors.remove(messages)


_collectors: list[list[str]] = []


def _warn_outside(message: str) -> None:
    for messages in _collectors:
        if message not in messages:
            messages.append(message)
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, SeqloomWarning, stacklevel=level)


def _described(what: str, **parts: object) -> str:
    """A line for each part. Control characters, which could control a terminal, are shown as escapes."""
    lines = (f"  {name + ':':<10}{text}" for name, text in parts.items() if text is not None)
    return _CONTROL_CHARACTER.sub(lambda match: repr(match[0])[1:-1], "\n".join([what, *lines]))


_SHOWN_WARNINGS = "SEQLOOM_SHOWN_WARNINGS"
"""The environment variable with the path of a file of hashes: the warnings that a process has shown."""


@contextlib.contextmanager
def shared_warnings() -> Iterator[None]:
    """Within the block, this process and those that it starts show each warning once in all."""
    if _SHOWN_WARNINGS in os.environ:
        yield
        return
    with tempfile.NamedTemporaryFile(prefix="seqloom-warnings-") as file:
        os.environ[_SHOWN_WARNINGS] = file.name
        try:
            yield
        finally:
            os.environ.pop(_SHOWN_WARNINGS, None)


@contextlib.contextmanager
def warnings_on_standard_error() -> Iterator[None]:
    """Prints each SeqloomWarning once, by the first process only; other warnings are shown as usual.

    Python's own filter "once" forgets what it has shown whenever a library changes the filters.
    """
    show, shown = warnings.showwarning, set[str]()

    def show_warning(message: Warning | str, category: type[Warning], *others: Any, **more: Any) -> None:
        if not issubclass(category, SeqloomWarning):
            show(message, category, *others, **more)
        elif os.environ.get("RANK", "0") == "0" and _is_new(str(message), shown):
            print(f"seqloom: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", SeqloomWarning)
        warnings.showwarning = show_warning
        yield


def _is_new(message: str, shown: set[str]) -> bool:
    """Whether neither this process nor another one of the same comparison has shown the warning; it is shown now."""
    digest = hashlib.sha256(message.encode()).hexdigest()
    if _SHOWN_WARNINGS in os.environ:
        path = Path(os.environ[_SHOWN_WARNINGS])
        with contextlib.suppress(OSError):
            shown.update(path.read_text().split())
            with path.open("a") as stream:
                stream.write(f"{digest}\n")
    is_new = digest not in shown
    shown.add(digest)
    return is_new
