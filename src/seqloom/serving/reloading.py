"""Follows the folders of a server: what has been saved anew is opened, while the earlier model still answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path

from seqloom.errors import SeqloomError
from seqloom.serving.hosted import Hosted
from seqloom.serving.saved_files import Files, saved_files
from seqloom_portable.errors import PortableError

_log = logging.getLogger("seqloom.serving")


class Reloading:
    """The `folders` of models by their names; those that hold no weights yet are opened when they do. `open_model` is
    called in a thread of its own. The folders are looked at every `seconds`."""

    def __init__(
        self, folders: Mapping[str, Path], open_model: Callable[[Path, str], Hosted], seconds: float = 1.0
    ) -> None:
        self._folders, self._open, self._seconds = folders, open_model, seconds
        self._seen: dict[str, Files | None] = {}
        self._refused: dict[str, Files | None] = {}

    async def follow(self, models: MutableMapping[str, Hosted]) -> None:
        """Replaces models until it is cancelled. A request is answered by the model with which it began."""
        while True:
            await asyncio.sleep(self._seconds)
            for name, folder in self._folders.items():
                if self._is_saved_anew(name, folder, models.get(name)):
                    await self._replace(name, folder, models)

    def _is_saved_anew(self, name: str, folder: Path, model: Hosted | None) -> bool:
        """Whether the files are others than those of the model, and nobody has written them since the last look."""
        files = saved_files(folder)
        before, self._seen[name] = self._seen.get(name), files
        served = model.saved.files if model is not None and model.saved is not None else None
        return files is not None and files == before and files not in (served, self._refused.get(name))

    async def _replace(self, name: str, folder: Path, models: MutableMapping[str, Hosted]) -> None:
        try:
            models[name] = await asyncio.to_thread(self._open, folder, name)
        except (SeqloomError, PortableError) as error:
            self._refused[name] = self._seen[name]
            _log.warning("%s was saved anew and cannot be opened: %s", name, error)
        except Exception as error:  # the earlier model continues to answer, whatever is wrong with the new one
            self._refused[name] = self._seen[name]
            _log.error("%s was saved anew and cannot be opened", name, exc_info=error)
