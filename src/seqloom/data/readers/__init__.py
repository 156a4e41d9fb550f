"""Readers: one file a format. A reader yields examples from a path; `readers` finds them by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from seqloom.registry import Registry

Reader = Callable[[str], Iterator[Any]]

readers: Registry[Reader] = Registry("reader", __name__)
