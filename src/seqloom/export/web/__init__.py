"""Exports runs to a web page that works without a network."""

from __future__ import annotations

from pathlib import Path

from seqloom.export import exporters, optional_packages
from seqloom.export.options import ExportOptions
from seqloom.run import Run


@exporters.register("web", "One web page that holds the model, and runs it without a network.")
def web(run: Run, file: Path, options: ExportOptions) -> None:
    """Writes a page with the graphs of the format onnx, tokenizer, ONNX Runtime, and a form to try the model."""
    with optional_packages():
        from seqloom.export.web.page import write_page  # ONNX Runtime is an extra, and slow to import
    write_page(run, file, options)
