"""Readers, one file for each format. A reader yields the examples of a path; `readers` finds it by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from seqloom.registry import Registry

Reader = Callable[[str], Iterator[Any]]

readers: Registry[Reader] = Registry("reader", __name__)
