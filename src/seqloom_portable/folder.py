"""The folder of an exported model: what its manifest says, and whether its files are whole."""

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
    """`manifest`: task, model, graphs with the names and shapes of what goes in and out. The file has the size and the
    sha256 of every other file too."""

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
            held = self.path / name
            if not held.exists() or held.stat().st_size != size:
                raise PortableError(f"{held} is missing or not whole; expected {size} bytes")

    @property
    def task(self) -> str:
        return str(self.manifest["task"])

    def verify(self) -> None:
        """Reads every file and compares its sha256 with the manifest's."""
        for name, (_, checksum) in self._files.items():
            if _sha256(self.path / name) != checksum:
                raise PortableError(f"{self.path / name} has changed since it was exported")

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
