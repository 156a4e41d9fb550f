"""The examples on which an exported model is compared with its run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqloom.errors import RequestError
from seqloom.run import Run


def held_out_examples(run: Run, data: str) -> tuple[Iterator[Any], str]:
    """The examples of `held_out_path`, and the path; without any there are no examples."""
    path = held_out_path(run, data)
    read = run.task.recipe(run.plan.settings).read  # type: ignore[union-attr]
    return (example for file in (run.plan.files(path) if path else []) for example in read(file)), path


def held_out_path(run: Run, data: str) -> str:
    """The path `data` or, if it is empty, that of the first of the run's validation, test and training data that still
    exists; empty if none does."""
    sources = run.plan.sources
    paths = filter(None, (sources.valid, sources.test, sources.data))
    return data or next((path for path in paths if _exists(run, path)), "")


def _exists(run: Run, path: str) -> bool:
    """Whether all files that a path denotes exist: one, a folder, a glob pattern or several."""
    with contextlib.suppress(RequestError):
        return all(Path(file).exists() for file in run.plan.files(path))
    return False
