"""Exports Transformers to folders for CTranslate2."""

from __future__ import annotations

from pathlib import Path

from seqloom.errors import RequestError
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.run import Run


@exporters.register("ctranslate2", "A folder for CTranslate2, an engine in C++ for Transformers.")
def ctranslate2(run: Run, file: Path, options: ExportOptions) -> None:
    """Writes a folder with the model in CTranslate2's format, compared with the network, tokenizer, manifest, model
    card."""
    try:
        from seqloom.export.ctranslate2.folder import write_folder  # the engine is an extra, and slow to import
    except ModuleNotFoundError as error:
        raise RequestError(
            "a package that this export needs is not installed", got=error.name, hint="pip install 'seqloom[export]'"
        ) from None
    write_folder(run, file, options)
