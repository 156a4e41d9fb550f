"""Token ids on disk, memory-mapped, so that a corpus may be larger than memory."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from seqloom.data.tokenizer import UNK, Tokenizer
from seqloom.errors import RequestError
from seqloom.files import make_folder, writing
from seqloom.memory import give_back_pages
from seqloom.storage.flat_file import FlatFileWriter, map_flat_file

_LINES_AT_ONCE, _IDS_AT_ONCE = 2_048, 1 << 18
Example = TypeVar("Example")


class UnknownTokens(NamedTuple):
    """How many of the `tokens` of a text are not in the vocabulary; `<eos>` is not counted."""

    unknown: int
    tokens: int


@dataclass(frozen=True)
class TokenFile:
    """A text as token ids. `ids` (memory-mapped) holds every line's ids and its `<eos>`; line i is
    `ids[offsets[i]:offsets[i + 1]]`. `num_bytes` counts the text's UTF-8 bytes, one for each line end included.
    """

    ids: NDArray[np.uint16] | NDArray[np.uint32]
    offsets: NDArray[np.int64]
    num_bytes: int
    num_unknown: int

    @property
    def num_lines(self) -> int:
        return len(self.offsets) - 1

    def __len__(self) -> int:
        return len(self.ids)

    def unknown(self) -> UnknownTokens:
        return UnknownTokens(self.num_unknown, len(self) - self.num_lines)

    def counts(self, vocab_size: int) -> NDArray[np.int64]:
        """How often each id occurs, counted in one pass that holds only a part of the file in memory."""
        total = np.zeros(vocab_size, dtype=np.int64)
        for start in range(0, len(self.ids), _IDS_AT_ONCE):
            total += np.bincount(self.read(start, start + _IDS_AT_ONCE), minlength=vocab_size)
        return total

    def read(self, first: int, last: int) -> NDArray[np.uint16] | NDArray[np.uint32]:
        """A copy of `ids[first:last]`. A single pass over the text keeps no more of the file than this in memory."""
        part = self.ids[first:last].copy().view(np.ndarray)
        give_back_pages(self.ids)
        return part

    def line_at(self, place: int) -> int:
        """The number of the line that holds `ids[place]`."""
        return int(np.searchsorted(self.offsets, place, side="right")) - 1

    def stretches(self, tokens: int) -> Iterator[NDArray[np.uint16] | NDArray[np.uint32]]:
        """Yields the ids of whole lines, at most so many `tokens` at a time; a longer line is yielded alone."""
        first = 0
        while first < self.num_lines:
            last = int(np.searchsorted(self.offsets, self.offsets[first] + tokens, side="right")) - 1
            last = max(last, first + 1)
            yield self.read(int(self.offsets[first]), int(self.offsets[last]))
            first = last

    def rows(self, numbers: Iterable[int] | NDArray[np.int64]) -> list[NDArray[np.uint16] | NDArray[np.uint32]]:
        """The ids of these lines, each with its `<eos>`."""
        return [self.ids[self.offsets[i] : self.offsets[i + 1]] for i in numbers]

    @classmethod
    def open(cls, folder: Path) -> TokenFile:
        facts = json.loads((folder / "facts.json").read_text())
        ids = map_flat_file(folder / "ids.bin", facts["dtype"])
        offsets = np.load(folder / "offsets.npy", mmap_mode="r")
        return cls(ids, offsets, facts["num_bytes"], facts["num_unknown"])


def batches(examples: Iterable[Example], size: int = _LINES_AT_ONCE) -> Iterator[list[Example]]:
    stream = iter(examples)
    while batch := list(itertools.islice(stream, size)):
        yield batch


class TokenFileWriter:
    """Writes the token file of a text into `folder`, a batch of lines at a time."""

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        if tokenizer.vocab_size > 2**32:
            raise RequestError("the vocabulary is too large", got=tokenizer.vocab_size, expected="up to 2**32")
        self._folder, self._tokenizer = make_folder(folder), tokenizer
        self._dtype = np.dtype(np.uint16 if tokenizer.vocab_size <= 2**16 else np.uint32)
        self._lengths: list[NDArray[np.int64]] = []
        self._num_bytes = self._num_unknown = 0
        self._ids = FlatFileWriter(folder / "ids.bin", self._dtype)

    def add(self, lines: list[str]) -> None:
        encoded = self._tokenizer.encode_lines(lines)
        self._lengths.append(np.diff(encoded.offsets))
        self._num_bytes += sum(len(line.encode()) + 1 for line in lines)
        self._num_unknown += int((encoded.ids == UNK).sum())
        self._ids.add(encoded.ids)

    def finish(self) -> None:
        self._ids.close()
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), *self._lengths]).cumsum()
        facts = {"dtype": self._dtype.name, "num_bytes": self._num_bytes, "num_unknown": self._num_unknown}
        with writing(self._folder):
            np.save(self._folder / "offsets.npy", offsets)
            (self._folder / "facts.json").write_text(json.dumps(facts))

    def discard(self) -> None:
        self._ids.discard()
