"""Exports of runs to the formats of other programs: one file for each format, from a run to a file or a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from seqloom.errors import RequestError
from seqloom.export.options import ExportOptions
from seqloom.registry import Registry
from seqloom.run import Run

exporters: Registry[Callable[[Run, Path, ExportOptions], None]] = Registry("format", __name__)


@contextmanager
def optional_packages() -> Iterator[None]:
    """Imports of packages that only exports need. Raises RequestError, which says how to install one that is
    missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = "./web" if error.name == "seqloom_web" else "'seqloom[export]'"
        raise RequestError(
            "a package that this export needs is not installed", got=error.name, hint=f"pip install {extra}"
        ) from None
