"""The command line of exported models, in this process."""

from __future__ import annotations

import sys

import pytest

from seqloom_portable.__main__ import main
from tests.support.command_line import CommandLine


def _main() -> None:
    main()
    sys.exit()


@pytest.fixture
def portable_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys, "seqloom-portable", _main)
