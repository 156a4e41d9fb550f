"""What a user can cause: every such failure is a SeqloomError that says what, where, got, expected, nearest."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SeqloomError(Exception):
    """The work failed (exit status 1): a full disk, a broken file, a loss that is no longer finite.

    `where` is `file:line` or a setting's dotted name; `got` and `expected` are shown as they are; `hint` says what
    to do.
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
        parts = {"where": self.where, "got": self.got, "expected": self.expected, "hint": self.hint}
        lines = (f"  {name + ':':<10}{text}" for name, text in parts.items() if text is not None)
        return "\n".join([self.what, *lines])


class RequestError(SeqloomError):
    """The request was wrong (exit status 2): an unknown name, an impossible setting, a file that is not there."""

    exit_status = 2


def unknown_name(kind: str, name: str, choices: Iterable[str], where: str | None = None) -> RequestError:
    """The error for a name that is not among `choices`, with the nearest valid one."""
    known = sorted(choices)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return RequestError(
        f"there is no {kind} named {name!r}",
        where=where,
        expected=", ".join(known) or "(none is known)",
        hint=f"did you mean {near[0]!r}?" if near else None,
    )
