"""Calling the command line in this process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from seqloom.cli.main import main


class Outcome(NamedTuple):
    status: int
    output: str
    errors: str


class CommandLine:
    """`seqloom ARGUMENTS`, or another `program`: exit status, standard output, standard error."""

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        capture: pytest.CaptureFixture[str],
        program: str = "seqloom",
        run: Callable[[], object] = main,
    ) -> None:
        self._patch, self._capture, self._program, self._run = patch, capture, program, run

    def __call__(self, *arguments: object, standard_input: str | bytes = "") -> Outcome:
        content = standard_input.encode() if isinstance(standard_input, str) else standard_input
        self._capture.readouterr()
        self._patch.setattr(sys, "argv", [self._program, *map(str, arguments)])
        self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        with pytest.raises(SystemExit) as left:
            self._run()
        output, errors = self._capture.readouterr()
        return Outcome(int(left.value.code or 0), output, errors)
