"""The targets of labelled examples on disk: ids of classes, ids of several labels for each example, or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.data.targets import Targets
from seqloom.files import make_folder, writing

_NUMBERS, _OFFSETS = "class_ids.npy", "target_offsets.npy"


class TargetWriter:
    """Writes the numbers of targets into `class_ids.npy`, with `target_offsets.npy` if examples have several."""

    def __init__(self, folder: Path, targets: Targets) -> None:
        self._folder, self._targets = make_folder(folder), targets
        self._numbers: list[NDArray[Any]] = []
        self._counts: list[NDArray[np.int64]] = []

    def add(self, texts: Sequence[str]) -> None:
        numbers, offsets = self._targets.encode(texts)
        self._numbers.append(numbers)
        if offsets is not None:
            self._counts.append(np.diff(offsets))

    def finish(self) -> None:
        empty = self._targets.encode([])[0]
        with writing(self._folder):
            np.save(self._folder / _NUMBERS, np.concatenate([empty, *self._numbers]))
            if self._counts:
                np.save(self._folder / _OFFSETS, np.cumsum(np.concatenate([[0], *self._counts])))


@dataclass(frozen=True)
class TargetFile:
    """The numbers of the targets of examples. Those of example i are `numbers[offsets[i]:offsets[i + 1]]`; without
    offsets, each example has one."""

    numbers: NDArray[Any]
    offsets: NDArray[np.int64] | None

    @classmethod
    def open(cls, folder: Path) -> TargetFile:
        offsets = folder / _OFFSETS
        return cls(
            np.load(folder / _NUMBERS, mmap_mode="r"), np.load(offsets, mmap_mode="r") if offsets.exists() else None
        )

    def __len__(self) -> int:
        return len(self.numbers) if self.offsets is None else len(self.offsets) - 1

    def rows(self, places: NDArray[np.int64]) -> list[NDArray[Any]]:
        if self.offsets is None:
            return [self.numbers[place : place + 1] for place in places]
        return [self.numbers[self.offsets[place] : self.offsets[place + 1]] for place in places]

    def memberships(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The example and the id of each label of an example."""
        counts = np.ones(len(self), np.int64) if self.offsets is None else np.diff(self.offsets)
        return np.repeat(np.arange(len(self)), counts), np.asarray(self.numbers)
