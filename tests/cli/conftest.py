"""The command line in this process, and a run for it to use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import seqloom
from tests.support.command_line import CommandLine
from tests.support.small_runs import shared_run


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Run:
    return shared_run(tmp_path_factory, data__mode="lines", updates=20)


@pytest.fixture(autouse=True)
def _denormal_numbers() -> Iterator[None]:
    """Training flushes them in the whole process, which hypothesis takes for a broken processor."""
    yield
    torch.set_flush_denormal(False)
