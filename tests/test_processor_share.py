"""The share of the processors is between nothing and all."""

from __future__ import annotations

import pytest

from seqloom import processors
from seqloom.processors import ProcessorShare


def work() -> None:
    sum(number * number for number in range(300_000))


def test_the_share_is_a_share() -> None:
    clock = ProcessorShare()
    work()
    assert clock.seconds > 0
    assert 0 < clock.share(1) <= 1


def test_without_the_systems_word_it_is_by_wall_time_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "_waiting_seconds", lambda: None)
    clock = ProcessorShare()
    work()
    assert 0 < clock.share(4) <= 0.3


def test_who_waited_as_long_as_it_ran_got_half(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = iter([1.0, 1.0, 4.0])
    monkeypatch.setattr(processors, "_waiting_seconds", lambda: next(waited))
    clock = ProcessorShare()
    monkeypatch.setattr(ProcessorShare, "seconds", 3.0)
    assert clock.share(2) == 1.0
    assert clock.share(2) == 0.5
