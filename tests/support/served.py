"""A server in this process, of a small run of each task."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from seqloom.run import Run
from seqloom.serving.app import make_app
from seqloom.serving.hosted import Hosted
from seqloom.serving.hosted_run import HostedRun
from seqloom.serving.limits import Limits
from seqloom.serving.reloading import Reloading
from seqloom.serving.server import GracefulServer, hosts_of
from seqloom.serving.watched import Watched
from tests.support.small_tasks import NGRAM, SMALL_TASKS

SERVED = {
    "lstm": "language-model",
    "ngram": NGRAM,
    "translator": "translate",
    "describer": "describe",
    "classifier": "classify",
    "bag": "classify bow",
    "tagger": "tag",
    "words": "vectors",
    "forecaster": "forecast",
    "machine": "algorithm ntm",
    "listener": "transcribe",
}
"""The names of the models, and the small tasks that they are of."""


def train_served(folder: Path, names: Sequence[str] = tuple(SERVED)) -> dict[str, Run]:
    runs = {}
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.setenv("SEQLOOM_CACHE", str(folder / "cache"))
        for name in names:
            task = SMALL_TASKS[SERVED[name]]
            (folder / name).mkdir()
            runs[name] = task.train(SERVED[name], task.data(folder / name), folder / name / "run")
    return runs


@contextmanager
def serving(
    models: Sequence[Hosted],
    limits: Limits | None = None,
    key: str = "",
    trainings: Sequence[Watched] = (),
    origins: Sequence[str] = (),
    reloading: Reloading | None = None,
) -> Iterator[str]:
    """The address of a server of models and trainings, until the block ends."""
    import uvicorn

    hosts = hosts_of("127.0.0.1")
    app = make_app(
        models, limits or Limits(), trainings=trainings, key=key, hosts=hosts, origins=origins, reloading=reloading
    )
    server = GracefulServer(uvicorn.Config(app, port=0, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def hosted(runs: dict[str, Run]) -> list[Hosted]:
    return [HostedRun(name, run) for name, run in runs.items()]
