"""What every test stands on: one thread, a cache of its own, and shapes in signatures that are checked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import jaxtyping
import pytest
import torch
from jaxtyping import install_import_hook

from seqloom.processors import set_num_threads

# Commands that tests start: beside each other, threads that wait for threads that do not run take most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Before the first import of the modules themselves.
install_import_hook(["seqloom.nn", "seqloom.models"], "beartype.beartype")


class _SampledChecks(type(jaxtyping.config)):  # type: ignore[misc]
    """Shapes are checked in the first 400 calls of a test and in every 29th of the others: networks call the same
    functions at each step of time, and checks of all calls took half of the time of all tests."""

    calls = 0

    @property
    def jaxtyping_disable(self) -> bool:
        self.calls += 1
        return self.calls > 400 and self.calls % 29 != 0

    @jaxtyping_disable.setter
    def jaxtyping_disable(self, value: bool) -> None: ...


jaxtyping.config.__class__ = _SampledChecks

hypothesis.settings.register_profile("seqloom", deadline=None, max_examples=30, derandomize=True, database=None)
hypothesis.settings.load_profile("seqloom")
torch.set_num_threads(1)
set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _disk() -> Iterator[None]:
    """Small trainings wait as long for the disk as they compute. Whether bytes have reached it shows only after the
    power fails; tests of faults wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(autouse=True)
def _first_calls_are_checked() -> None:
    jaxtyping.config.calls = 0


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _same_arithmetic() -> Iterator[None]:
    """Equal random numbers for every test, and denormals as they are, whatever a run in this process left set."""
    torch.set_flush_denormal(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_flush_denormal(False)
