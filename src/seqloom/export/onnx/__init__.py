"""Exports runs to folders with ONNX graphs, tokenizer, manifest, parity report and model card."""

from __future__ import annotations

from pathlib import Path

from seqloom.export import exporters, optional_packages
from seqloom.export.options import ExportOptions
from seqloom.run import Run


@exporters.register("onnx", "A folder with ONNX graphs, a tokenizer and a manifest, which seqloom-portable runs.")
def onnx(run: Run, file: Path, options: ExportOptions) -> None:
    """Writes a folder with graphs that were compared with the network, tokenizer, manifest and model card."""
    with optional_packages():
        from seqloom.export.onnx.folder import write_folder  # ONNX Runtime is an extra, and slow to import
    write_folder(run, file, options)
