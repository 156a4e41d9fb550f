"""One server of a small run of each task, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("starlette", reason="the server needs the extra serve")

from seqloom.run import Run
from seqloom.serving.watched import Watched
from tests.support.served import hosted, serving, train_served


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    return train_served(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def address(runs: dict[str, Run]) -> Iterator[str]:
    with serving(hosted(runs), trainings=[Watched(name, run.folder) for name, run in runs.items()]) as there:
        yield there
