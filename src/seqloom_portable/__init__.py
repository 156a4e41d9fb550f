"""Runs the models that Seqloom exports, without torch: `load(folder)`, then predict, score, generate, embed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqloom_portable.errors import PortableError
from seqloom_portable.sampling import Sampling

__version__ = "0.1.0"

__all__ = ["PortableError", "Sampling", "__version__", "load"]


def load(folder: str | Path, threads: int = 1) -> Any:
    """Loads the model in an export folder; see `loading.load` for the classes and errors."""
    from seqloom_portable.loading import load as load_model  # ONNX Runtime and the tokenizers take time to import

    return load_model(folder, threads)
