"""The names of documents as a file, in the order of their texts and of their vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from seqloom.errors import SeqloomError
from seqloom.files import reading, write_atomic

NAMES_FILE = "documents.json"
"""The names in the folder of a run."""


def write_names(path: Path, names: Sequence[str]) -> None:
    write_atomic(path, json.dumps(list(names), ensure_ascii=False))


def read_names(path: Path) -> list[str]:
    """Raises SeqloomError if the file is damaged."""
    try:
        with reading(path):
            names = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SeqloomError("the names of the documents could not be read", where=str(path), got=str(error)) from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SeqloomError("the names of the documents are damaged", where=str(path), expected="a list of texts")
    return names
