"""Ctrl-C asks training to stop after the present step; a second one stops it at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class StopOnSignal:
    """While entered, the first SIGINT or SIGTERM sets `stop_requested`; the next SIGINT raises KeyboardInterrupt. With
    `at_once`, the first one raises it.

    In a thread other than the main one, where signals cannot be caught, it does nothing.
    """

    def __init__(self, at_once: bool = False) -> None:
        self.stop_requested = False
        self._at_once = at_once
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopOnSignal:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _caught(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._at_once or (self.stop_requested and number == signal.SIGINT):
            raise KeyboardInterrupt
        self.stop_requested = True
