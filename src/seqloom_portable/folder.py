"""The folder of an exported model: its manifest, and checks that its files are complete."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from seqloom_portable.engine import Engine
from seqloom_portable.errors import PortableError

MANIFEST = "manifest.json"
FORMAT = 1
_FOR_READERS = ("README.md", "LICENSE")
"""Files that the owner of a model may write anew."""


class Folder:
    """`manifest`: the task, the model, and the graphs with the names and shapes of their inputs and outputs. It also
    has the size and the sha256 of every other file, which are compared when the folder is opened, except the
    model card and the licence."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        where = self.path / MANIFEST
        try:
            content = json.loads(where.read_text(encoding="utf-8"))
            self.manifest: dict[str, Any] = content["facts"]
            files: dict[str, tuple[int, str]] = content["files"]
            has_changed = content.get("sha256") not in (None, _checksum_of_manifest(files, self.manifest))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise PortableError(f"{self.path} is not the folder of an exported model: {error}") from None
        if has_changed:
            raise PortableError(f"{where} has changed since the export")
        if self.manifest.get("format") != FORMAT:
            raise PortableError(f"{where} has the format {self.manifest.get('format')!r}; this version reads {FORMAT}")
        for name, (size, checksum) in files.items():
            file = self.path / name
            if name in _FOR_READERS:
                continue
            if not file.exists() or file.stat().st_size != size:
                raise PortableError(f"{file} is missing or incomplete; expected {size} bytes")
            if _sha256(file) != checksum:
                raise PortableError(f"{file} has changed since the export")

    @property
    def task(self) -> str:
        return str(self.manifest["task"])

    def engine(self, name: str, threads: int = 1) -> Engine:
        graphs = self.manifest["graphs"]
        if name not in graphs:
            raise PortableError(f"{self.path} has no graph named {name!r}; it has {', '.join(graphs)}")
        return Engine(self.path, graphs[name], threads)


def _checksum_of_manifest(files: Any, facts: Any) -> str:
    """The sha256 of what a manifest holds beside it."""
    return hashlib.sha256(json.dumps([files, facts], sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
