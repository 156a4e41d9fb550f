"""An index of vectors on disk for approximate nearest neighbours (HNSW; Malkov and Yashunin 2018), by usearch."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import RequestError
from seqloom.models.word_vectors.table import VectorTable
from seqloom.processors import num_threads
from seqloom.storage.folder import facts_of, is_whole, new_folder

_FILE, _KIND = "index.usearch", "index of vectors"
_NEIGHBOURS, _CANDIDATES_OF_BUILD, _CANDIDATES_OF_SEARCH = 16, 48, 512
"""Links of each vector, and the candidates that are kept while a vector is added and while a query is searched."""
_COMPARED = 4
"""How many times more vectors than asked for are compared exactly. The index holds bytes, which rank close vectors
wrongly: the nearest of the index alone are 8 of the 10 nearest, and fewer (LOG.md)."""
_ROWS_AT_ONCE, _SAMPLED = 1 << 14, 1_000
_TOP = 10


class IndexFacts(NamedTuple):
    """`recall`: the share of the 10 exact nearest neighbours of `queries` random vectors of the table, these vectors
    themselves not counted, that the index finds."""

    vectors: int
    recall: float
    queries: int
    seconds: float


class VectorIndex:
    """Searches a memory-mapped index. What it finds is compared exactly with the vectors of the table."""

    def __init__(self, facts: IndexFacts, index: Any) -> None:
        self.facts, self._index = facts, index

    def search(self, units: NDArray[np.float32], top: int) -> NDArray[np.int64]:
        """(queries, at least `top`): the rows of about the nearest vectors; fewer if the index finds fewer."""
        num_candidates = min(_COMPARED * top, len(self._index))
        self._index.expansion_search = max(_CANDIDATES_OF_SEARCH, num_candidates)
        matches = self._index.search(units, num_candidates, threads=num_threads())
        if len(units) == 1:
            return matches.keys[None].astype(np.int64)
        return matches.keys[:, : np.min(matches.counts)].astype(np.int64)


def open_index(table: VectorTable, folder: Path) -> VectorIndex:
    """The index of the table in `folder`. Raises RequestError if the folder holds none, or one of other vectors."""
    usearch = _usearch()
    if not is_whole(folder) or facts_of(folder).get("kind") != _KIND:
        raise RequestError(
            "the folder holds no index of vectors, or a damaged one", where=str(folder),
            hint="give a folder that does not exist, and the index is built there",
        )  # fmt: skip
    facts = facts_of(folder)
    if facts["fingerprint"] != _fingerprint(table):
        raise RequestError(
            "the index is of other vectors", where=str(folder), got=f"an index of {facts['vectors']:,} vectors",
            hint="give a folder that does not exist, and the index is built there",
        )  # fmt: skip
    index = usearch.Index.restore(str(folder / _FILE), view=True)
    return VectorIndex(IndexFacts(*(facts[name] for name in IndexFacts._fields)), index)


def build_index(table: VectorTable, folder: Path) -> VectorIndex:
    """Builds the index of all vectors of the table in a new folder, and measures what it finds of the exact nearest
    neighbours of some of them."""
    usearch, started = _usearch(), time.monotonic()
    index = usearch.Index(
        ndim=table.dim, metric="cos", dtype="i8", connectivity=_NEIGHBOURS, expansion_add=_CANDIDATES_OF_BUILD,
        expansion_search=_CANDIDATES_OF_SEARCH,
    )  # fmt: skip
    for first in range(0, len(table), _ROWS_AT_ONCE):
        rows = table.units(first, first + _ROWS_AT_ONCE)
        index.add(np.arange(first, first + len(rows), dtype=np.uint64), rows, threads=num_threads())
    facts: dict[str, Any] = {"kind": _KIND, "fingerprint": _fingerprint(table)}
    with new_folder(folder, facts) as temporary:
        index.save(str(temporary / _FILE))
        recall, queries = _recall(table, VectorIndex(IndexFacts(len(table), 0, 0, 0), index))
        measured = IndexFacts(len(table), recall, queries, round(time.monotonic() - started, 1))
        facts |= measured._asdict()
    return open_index(table, folder)


def _recall(table: VectorTable, index: VectorIndex) -> tuple[float, int]:
    sample = np.sort(np.random.default_rng(1).choice(len(table), min(_SAMPLED, len(table)), replace=False))
    queries, top = np.asarray(table.matrix[sample], np.float32), min(_TOP + 1, len(table))
    exact, _ = table.nearest(queries, top, most_words=len(table))  # without the index that the table may have
    approximate, _ = table.nearest(queries, top, search=index)
    hits = num_neighbours = 0
    for place, nearest_rows, found_rows in zip(sample.tolist(), exact.tolist(), approximate.tolist(), strict=True):
        neighbours = [row for row in nearest_rows if row != place][:_TOP]
        hits += len({*neighbours} & {*found_rows})
        num_neighbours += len(neighbours)
    return hits / num_neighbours if num_neighbours else 1.0, len(sample)


def _fingerprint(table: VectorTable) -> str:
    """The same for tables with the same vectors: their number, their dimension and some of them."""
    rows = np.unique(np.linspace(0, len(table) - 1, min(_SAMPLED, len(table))).astype(np.int64))
    digest = hashlib.sha256(f"{len(table)} {table.dim}".encode())
    digest.update(np.ascontiguousarray(table.matrix[rows], np.float32).tobytes())
    return digest.hexdigest()


def _usearch() -> Any:
    try:
        from usearch import index
    except ImportError:
        raise RequestError(
            "usearch is not installed", where="--index", hint="install the extra: pip install 'seqloom[index]'"
        ) from None
    return index
