"""Runs as folders that other programs run: graphs, tokenizer, manifest, proof of parity, model card."""

from __future__ import annotations

from pathlib import Path

from seqloom.errors import RequestError
from seqloom.export import exporters
from seqloom.export.options import ExportOptions
from seqloom.run import Run


@exporters.register("onnx", "A folder with ONNX graphs, a tokenizer and a manifest, which seqloom-portable runs.")
def onnx(run: Run, file: Path, options: ExportOptions) -> None:
    """A folder: graphs that were compared with the network, tokenizer, manifest, model card."""
    try:
        from seqloom.export.onnx.folder import write_folder  # ONNX Runtime is an extra, and slow to import
    except ModuleNotFoundError as error:
        raise RequestError(
            "a package that exports need is not installed", got=error.name, hint="pip install 'seqloom[export]'"
        ) from None
    write_folder(run, file, options)
