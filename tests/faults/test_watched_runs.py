"""Broken files of runs that `seqloom watch` shows: what the page is sent, or one message."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the server needs the extra serve")

from seqloom.serving.messages import Json
from seqloom.serving.watched import Watched
from tests.faults.campaign import campaign, rounds
from tests.faults.children import try_inputs
from tests.faults.kinds import KINDS
from tests.faults.test_run_files import Asked, BrokenRun


class WatchedRun(BrokenRun):
    def answered(self) -> list[str]:
        return ["watch"]

    def ask(self, template: str, asked: Asked | None = None) -> int:  # noqa: ARG002
        training = Watched("run", self.copy(asked))
        training.version()
        Json(training.state())
        Json(training.examples())
        return 0


@pytest.mark.parametrize("name", KINDS)
def test_broken_runs_are_shown_or_refused(name: str, tmp_path: Path) -> None:
    before, run = len(campaign.failures), WatchedRun(name, tmp_path)
    numbers = rounds(0.1 / len(KINDS), per_second=8)
    try_inputs(f"watch {name}", numbers, lambda number: run.asked(number).content or b"", run.answer)
    campaign.check(before)
