"""Calling the command line in this process."""

from __future__ import annotations

import io
import sys
from typing import NamedTuple

import pytest

from seqloom.cli.main import main


class Outcome(NamedTuple):
    status: int
    output: str
    errors: str


class CommandLine:
    """`seqloom ARGUMENTS`: exit status, standard output, standard error."""

    def __init__(self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capture = patch, capture

    def __call__(self, *arguments: object, standard_input: str = "") -> Outcome:
        self._capture.readouterr()
        self._patch.setattr(sys, "argv", ["seqloom", *map(str, arguments)])
        self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(standard_input.encode())))
        with pytest.raises(SystemExit) as left:
            main()
        output, errors = self._capture.readouterr()
        return Outcome(int(left.value.code or 0), output, errors)
