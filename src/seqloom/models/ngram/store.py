"""A back-off model as a few flat arrays, and those arrays as a safetensors file that is memory-mapped, not read.

The nodes of all levels are one sequence, level 1 first. The children of a node are then `begin[node]` to
`begin[node + 1]` also where a level ends, since the next level's children begin there.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import SeqloomError
from seqloom.models.ngram.estimate import Estimates
from seqloom.models.ngram.trie import Trie
from seqloom.storage.arrays import map_arrays, write_arrays


class Store(NamedTuple):
    """`sizes` (levels): nodes of each. Of every node: `words`, `log_probs` (log10) and `suffix`, the node without the
    first word (of level 1 nothing). Of those above the last level: `backoffs` (log10) and `begin` (one more), where the
    children stand."""

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
        """Frees the levels' arrays of `estimates` as it goes, so that little is in memory twice."""
        trie, log_probs, backoffs, _ = estimates
        sizes = np.array(trie.sizes(), np.int64)
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
        """The model level by level (views where that is possible)."""
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
        """Memory-mapped: nothing is read before it is needed."""
        arrays = map_arrays(path)
        try:
            store = cls(**arrays)
            total, contexts = int(store.sizes.sum()), int(store.sizes[:-1].sum())
        except TypeError:
            raise SeqloomError("this is not an n-gram model", where=str(path), got=", ".join(arrays)) from None
        lengths = (len(store.words), len(store.log_probs), len(store.suffix), len(store.backoffs), len(store.begin))
        if lengths != (total, total, total, contexts, contexts + 1):
            raise SeqloomError("the n-gram model is damaged", where=str(path), got=f"arrays of {lengths}")
        return store


def _concatenated(levels: list[NDArray[Any]], offsets: Sequence[int] | None = None) -> NDArray[Any]:
    """One array of all levels, whose own arrays are freed one by one; `offsets` are added to each."""
    whole = np.empty(sum(map(len, levels)), levels[0].dtype)
    at = 0
    for number in range(len(levels)):
        level = levels[number]
        whole[at : at + len(level)] = level
        if offsets is not None:
            whole[at : at + len(level)] += np.uint32(offsets[number])
        at += len(level)
        levels[number] = level[:0].copy()
    return whole
