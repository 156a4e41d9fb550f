"""Seqloom: train, compare, understand and ship sequence models on your own data.

The public names are imported when they are first used, so that `import seqloom` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqloom.comparison.comparison import compare as compare
    from seqloom.data.marked_function import tokenizer as tokenizer
    from seqloom.errors import RequestError as RequestError
    from seqloom.errors import SeqloomError as SeqloomError
    from seqloom.export.arpa import read_arpa as read_arpa
    from seqloom.run import Run as Run
    from seqloom.run import load as load
    from seqloom.run import train as train
    from seqloom.run.embeddings import Vectors as Vectors

__version__ = "0.1.0"

_PUBLIC = {
    "compare": "seqloom.comparison.comparison",
    "RequestError": "seqloom.errors",
    "SeqloomError": "seqloom.errors",
    "Run": "seqloom.run",
    "load": "seqloom.run",
    "read_arpa": "seqloom.export.arpa",
    "tokenizer": "seqloom.data.marked_function",
    "train": "seqloom.run",
    "Vectors": "seqloom.run.embeddings",
}
__all__ = [*sorted(_PUBLIC), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'seqloom' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
