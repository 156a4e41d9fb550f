"""Exports Transformers to folders for CTranslate2."""

from __future__ import annotations

from pathlib import Path

from seqloom.export import exporters, optional_packages
from seqloom.export.options import ExportOptions
from seqloom.run import Run


@exporters.register("ctranslate2", "A folder for CTranslate2, an engine in C++ for Transformers.")
def ctranslate2(run: Run, file: Path, options: ExportOptions) -> None:
    """Writes a folder with the model in CTranslate2's format, compared with the network, tokenizer, manifest, model
    card."""
    with optional_packages():
        from seqloom.export.ctranslate2.folder import write_folder  # the engine is an extra, and slow to import
    write_folder(run, file, options)
