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


class Folder:
    """`manifest`: the task, the model, and the graphs with the names and shapes of their inputs and outputs. It also
    has the size and the sha256 of every other file."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        where = self.path / MANIFEST
        try:
            content = json.loads(where.read_text(encoding="utf-8"))
            self.manifest: dict[str, Any] = content["facts"]
            self._files: dict[str, tuple[int, str]] = content["files"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PortableError(f"{self.path} is not the folder of an exported model: {error}") from None
        if self.manifest.get("format") != FORMAT:
            raise PortableError(f"{where} has the format {self.manifest.get('format')!r}; this version reads {FORMAT}")
        for name, (size, _) in self._files.items():
            file = self.path / name
            if not file.exists() or file.stat().st_size != size:
                raise PortableError(f"{file} is missing or incomplete; expected {size} bytes")

    @property
    def task(self) -> str:
        return str(self.manifest["task"])

    def verify(self) -> None:
        """Reads every file and compares its sha256 with the manifest's."""
        for name, (_, checksum) in self._files.items():
            if _sha256(self.path / name) != checksum:
                raise PortableError(f"{self.path / name} has changed since the export")

    def engine(self, name: str, threads: int = 1) -> Engine:
        graphs = self.manifest["graphs"]
        if name not in graphs:
            raise PortableError(f"{self.path} has no graph named {name!r}; it has {', '.join(graphs)}")
        return Engine(self.path, graphs[name], threads)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
