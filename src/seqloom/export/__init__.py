"""Exports of runs to the formats of other programs: one file for each format, from a run to a file or a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from seqloom.export.options import ExportOptions
from seqloom.registry import Registry
from seqloom.run import Run

exporters: Registry[Callable[[Run, Path, ExportOptions], None]] = Registry("format", __name__)
