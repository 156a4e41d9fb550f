"""A back-off model as flat arrays, and their memory-mapped safetensors file.

The nodes of all levels are numbered in one sequence, level 1 first. The children of a node are therefore `begin[node]`
to `begin[node + 1]` also at the end of a level, since the children of the next level begin there.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.compiling import Array, compiled
from seqloom.data.tokenizer import SPECIALS
from seqloom.errors import SeqloomError
from seqloom.models.ngram.estimate import Estimates
from seqloom.models.ngram.trie import Trie
from seqloom.processors import over_ranges
from seqloom.storage.arrays import map_arrays, write_arrays

MAX_ORDER = 16
MAX_NODES = 2**32 - 2
"""The largest number of nodes of all levels together, since node numbers have 32 bits."""

DTYPES: dict[str, type[np.generic]] = {
    "sizes": np.int64,
    "words": np.uint32,
    "log_probs": np.float32,
    "suffix": np.uint32,
    "backoffs": np.float32,
    "begin": np.uint32,
}


class Store(NamedTuple):
    """`sizes` (levels): the number of nodes of each level. For every node: `words`, `log_probs` (log10) and `suffix`,
    the node without the first word (no entries for level 1). For nodes above the last level: `backoffs` (log10) and
    `begin` (one more entry), the range of their children."""

    sizes: NDArray[np.int64]
    words: NDArray[np.uint32]
    log_probs: NDArray[np.float32]
    suffix: NDArray[np.uint32]
    backoffs: NDArray[np.float32]
    begin: NDArray[np.uint32]

    @property
    def order(self) -> int:
        return len(self.sizes)

    @property
    def vocab_size(self) -> int:
        return int(self.sizes[0])

    def starts(self) -> list[int]:
        """The first node of each level, and the end of the last."""
        return [0, *np.cumsum(self.sizes).tolist()]

    @classmethod
    def of(cls, estimates: Estimates) -> Store:
        """The store of a model. Frees the arrays of `estimates` level by level, so that little is in memory twice."""
        trie, log_probs, backoffs, _ = estimates
        sizes = np.array(trie.sizes(), np.int64)
        if sizes.sum() > MAX_NODES:
            raise SeqloomError("there are too many n-grams", got=f"{sizes.sum():,}", expected=f"at most {MAX_NODES:,}")
        starts = [0, *np.cumsum(sizes).tolist()]
        levels = range(len(sizes))
        suffix, trie.suffix = [np.zeros(sizes[0], np.uint32), *trie.suffix[1:]], []
        begin = [trie.begin[n][:-1] for n in levels[:-1]]
        return cls(
            sizes,
            _concatenated(trie.words),
            _concatenated(log_probs),
            _concatenated(suffix, [0, *starts]),
            _concatenated(backoffs) if backoffs else np.zeros(0, np.float32),
            np.append(_concatenated(begin, starts[1:]), np.uint32(starts[-1])) if begin else np.zeros(1, np.uint32),
        )

    def levels(self) -> Estimates:
        """The model level by level, as views where possible."""
        starts = self.starts()
        spans = list(itertools.pairwise(starts))
        begin = [self.begin[a : b + 1] - np.uint32(b) for a, b in spans[:-1]]
        suffix = [np.zeros(0, np.uint32)] + [
            self.suffix[a:b] - np.uint32(starts[n]) for n, (a, b) in enumerate(spans[1:])
        ]
        trie = Trie([self.words[a:b] for a, b in spans], begin, suffix)
        backoffs = [self.backoffs[a:b] for a, b in spans[:-1]]
        return Estimates(trie, [self.log_probs[a:b] for a, b in spans], backoffs, [])

    def save(self, path: Path, metadata: Mapping[str, str]) -> None:
        write_arrays(path, self._asdict(), metadata)

    @classmethod
    def open(cls, path: Path) -> Store:
        """Opens a memory-mapped store. Checks every index, since the compiled loops do not. Raises SeqloomError if an
        index is out of range or a probability is invalid."""
        arrays = map_arrays(path)
        kinds = {name: (array.dtype.type, array.ndim) for name, array in arrays.items()}
        if kinds != {name: (dtype, 1) for name, dtype in DTYPES.items()}:
            raise SeqloomError("this is not an n-gram model", where=str(path), got=", ".join(arrays) or "nothing")
        store = cls(**arrays)
        store.check(str(path))
        return store

    def check(self, where: str) -> None:
        """Raises SeqloomError where an index is out of range, or a probability is none."""
        sizes = self.sizes.tolist()
        if not 1 <= len(sizes) <= MAX_ORDER or min(sizes) < 0 or sizes[0] < len(SPECIALS) or sum(sizes) > MAX_NODES:
            raise SeqloomError("the n-gram model is damaged", where=where, got=f"sizes {sizes}")
        total, contexts = sum(sizes), sum(sizes[:-1])
        lengths = tuple(len(array) for array in self[1:])
        if lengths != (total, total, total, contexts, contexts + 1):
            raise SeqloomError("the n-gram model is damaged", where=where, got=f"arrays of {lengths}")
        for level in range(self.order):
            if (node := self._first_damaged(level)) >= 0:
                got = f"n-gram {node} of order {level + 1} refers to a missing n-gram, or has an invalid probability"
                raise SeqloomError("the n-gram model is damaged", where=where, got=got)

    def _first_damaged(self, level: int) -> int:
        starts = np.array([*self.starts(), 0])
        parts = over_ranges(
            int(self.sizes[level]), lambda first, last: _first_damaged(tuple(self), starts, level, first, last)
        )
        return next((node for node in parts if node >= 0), -1)


@compiled
def _first_damaged(store: Any, starts: Array, level: int, first: int, last: int) -> int:
    """The first damaged node of a level among `first` to `last`, or -1. Its word must be in the vocabulary, its suffix
    in the level above, its children in the level below and in order, and its numbers finite."""
    sizes, words, log_probs, suffix, backoffs, begin = store
    is_last = level == sizes.shape[0] - 1
    for number in range(first, last):
        node = starts[level] + number
        if not (log_probs[node] <= 0.0 and log_probs[node] > -np.inf):
            return number
        if level == 0 and words[node] != number:
            return number
        if level > 0 and (words[node] >= sizes[0] or suffix[node] < starts[level - 1] or suffix[node] >= starts[level]):
            return number
        if is_last:
            continue
        start, stop = np.int64(begin[node]), np.int64(begin[node + 1])
        if not (np.abs(backoffs[node]) < np.inf) or start > stop or stop > starts[level + 2]:
            return number
        if start < starts[level + 1] or (number == 0 and start != starts[level + 1]):
            return number
        if number == sizes[level] - 1 and stop != starts[level + 2]:
            return number
        for child in range(start + 1, stop):
            if words[child] <= words[child - 1]:
                return number
    return -1


def _concatenated(levels: list[NDArray[Any]], offsets: Sequence[int] | None = None) -> NDArray[Any]:
    """One array of all levels, whose own arrays are freed one by one. `offsets` are added to each level."""
    array = np.empty(sum(map(len, levels)), levels[0].dtype)
    at = 0
    for number in range(len(levels)):
        level = levels[number]
        array[at : at + len(level)] = level
        if offsets is not None:
            array[at : at + len(level)] += np.uint32(offsets[number])
        at += len(level)
        levels[number] = level[:0].copy()
    return array
