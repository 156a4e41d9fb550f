"""Readers, one file for each format. A reader yields the examples of a path; `readers` finds it by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from seqloom.registry import Registry

Reader = Callable[..., Iterator[Any]]
"""Takes a path and, for formats with columns, which of them to read."""

readers: Registry[Reader] = Registry("reader", __name__)
