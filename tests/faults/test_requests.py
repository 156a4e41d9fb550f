"""Requests that are broken on purpose, to a server of a small run of each task: an answer, or a refusal in words."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the server needs the extra serve")

import httpx

from seqloom.errors import SeqloomError
from seqloom.serving.watched import Watched
from tests.faults.campaign import campaign, random_for, rounds
from tests.support.hostile_requests import ANSWERED, hostile_request
from tests.support.served import hosted, serving, train_served


def test_hostile_requests_are_answered_or_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before, runs = len(campaign.failures), train_served(tmp_path)
    trainings = [Watched(name, run.folder) for name, run in runs.items()]
    with serving(hosted(runs), trainings=trainings) as address, httpx.Client(timeout=None) as client:
        for number in rounds(0.1, per_second=60):
            path, headers, body = hostile_request(random_for("requests", number))

            def ask(path: str = path, headers: dict[str, str] = headers, body: bytes = body) -> None:
                response = client.post(address + path, content=body, headers=headers)
                assert response.status_code in ANSWERED, response.text[:200]
                if response.status_code != 200:
                    raise SeqloomError(response.json()["error"]["message"])

            campaign.attempt(f"POST {path}", number, body, ask)
            for record in [record for record in caplog.records if record.exc_info]:
                campaign.fail("tracebacks", f"POST {path}: {record.exc_info}", number, body)
            caplog.clear()
    campaign.check(before)
    if campaign.counts["inputs"] > 20:
        assert campaign.counts["refused"] < 0.9 * campaign.counts["inputs"], "hardly a request reaches a model"
