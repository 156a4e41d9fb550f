"""Runs that a whole module of tests shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import torch

Trained = TypeVar("Trained")


def shared(factory: pytest.TempPathFactory, train: Callable[..., Trained], **options: Any) -> Trained:
    """What `train` gives in a folder of its own. Fixtures of modules come after the cache of one test is set, so the
    run has a cache of its own too."""
    folder = factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.setenv("SEQLOOM_CACHE", str(folder / "cache"))
        return train(folder / "run", **options)
