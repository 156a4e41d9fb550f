"""Sequences with a tag for each element as data, whatever the elements are, and the tags of a file of them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom.data.batches import Batch
from seqloom.data.labels import UNSEEN, Labels
from seqloom.data.lexicon import Numbering
from seqloom.files import writing
from seqloom.storage.flat_file import FlatFileWriter, map_flat_file


@dataclass(frozen=True)
class Tagged(ABC):
    """Sequences with a tag for each element, as numbers. Sequence i has the tags `tags[starts[i]:starts[i + 1]]`
    (positions in `names`).

    `names`: the labels of the training data in the order of their ids, then those that occur only in this file.
    """

    tags: NDArray[np.uint32]
    starts: NDArray[np.int64]
    labels: Labels
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.tags)

    @property
    def num_lines(self) -> int:
        """Sequences."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    @abstractmethod
    def rows(self, numbers: Iterable[int] | NDArray[np.int64]) -> list[NDArray[Any]]:
        """The elements of these sequences."""

    @abstractmethod
    def batch(self, rows: Sequence[NDArray[Any]]) -> Batch:
        """A batch of rows, or of parts of them; all targets are `UNSEEN`."""

    def auxiliary_targets(self, numbers: NDArray[np.int64]) -> list[NDArray[np.int32]] | None:  # noqa: ARG002
        """(length, columns) of each of these sequences: the label ids of its auxiliary columns, if there are any."""
        return None

    def tag_ids(self, number: int) -> NDArray[np.uint32]:
        """The tags of a sequence, as positions in `names`."""
        return self.tags[self.starts[number] : self.starts[number + 1]]

    def targets(self, numbers: Iterable[int] | NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The label ids of these sequences' tags, `UNSEEN` for tags that are not in the training data."""
        rows = [self.tag_ids(i).astype(np.int64) for i in numbers]
        return [np.where(tags < len(self.labels), tags, UNSEEN) for tags in rows]

    def transitions(self) -> NDArray[np.int64]:
        """(labels + 1, labels): how often label j follows label i; the last row counts the first labels of sequences.
        Only for training data, in which all tags are known."""
        counts = np.zeros((len(self.labels) + 1, len(self.labels)), dtype=np.int64)
        before = np.concatenate([[0], self.tags]).astype(np.int64)[:-1]
        before[self.starts[:-1]] = len(self.labels)
        np.add.at(counts, (before, self.tags), 1)
        return counts


class TagWriter:
    """Writes the tags of sequences into `folder`."""

    def __init__(self, folder: Path, labels: Labels) -> None:
        self._folder, self._labels, self._numbering, self._lengths = folder, labels, Numbering(), [0]
        self._numbering.of(labels.names)
        self._file = FlatFileWriter(folder / "tags.bin", np.uint32)

    def add(self, tags: Sequence[Sequence[str]]) -> None:
        """The tags of some sequences."""
        self._lengths += map(len, tags)
        self._file.add([i for row in tags for i in self._numbering.of(row)])

    def finish(self) -> None:
        self._file.close()
        unseen = list(self._numbering.numbers)[len(self._labels) :]
        with writing(self._folder):
            np.save(self._folder / "starts.npy", np.cumsum(self._lengths, dtype=np.int64))
            (self._folder / "unseen.json").write_text(json.dumps(unseen), encoding="utf-8")

    def discard(self) -> None:
        self._file.discard()


def open_tags(folder: Path, labels: Labels) -> tuple[NDArray[np.uint32], NDArray[np.int64], tuple[str, ...]]:
    """The `tags`, `starts` and `names` of `Tagged` that a `TagWriter` wrote."""
    names = (*labels.names, *json.loads((folder / "unseen.json").read_text(encoding="utf-8")))
    starts = np.load(folder / "starts.npy", mmap_mode="r")
    return map_flat_file(folder / "tags.bin", np.uint32), starts, names
