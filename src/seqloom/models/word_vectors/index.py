"""An index of vectors on disk for approximate nearest neighbours: inverted lists (Jégou et al. 2011, section IV). The
vectors are divided into clusters, and only those of the clusters nearest to a query are compared with it."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqloom.errors import RequestError
from seqloom.models.word_vectors.table import VectorTable
from seqloom.storage.arrays import map_arrays, write_arrays
from seqloom.storage.folder import facts_of, is_whole, new_folder

_FILE, _KIND = "index.safetensors", "index of vectors in clusters"
_PASSES, _SAMPLE_OF_CLUSTER = 6, 40
"""Passes of k-means over a sample, and how many of its vectors there are for each cluster."""
_CLUSTERS_COMPARED = 96
"""The vectors of so many clusters are compared with a query; of more, if they are fewer than asked for."""
_ROWS_AT_ONCE, _SAMPLED = 1 << 14, 200
_TOP = 10


class IndexFacts(NamedTuple):
    """`recall`: the share of the 10 exact nearest neighbours of `queries` random vectors of the table, these vectors
    themselves not counted, that the index finds."""

    vectors: int
    recall: float
    queries: int
    seconds: float


class VectorIndex:
    """Searches a memory-mapped index. `centres` (clusters, dim); the vectors of cluster c are `units` (vectors, dim)
    from `starts[c]` to `starts[c + 1]`, of length 1, and `rows` (vectors,) are their rows in the table."""

    def __init__(self, facts: IndexFacts, arrays: dict[str, NDArray[Any]]) -> None:
        self.facts = facts
        self._centres, self._starts = arrays["centres"], arrays["starts"]
        self._units, self._rows = arrays["units"], arrays["rows"]

    def search(self, units: NDArray[np.float32], top: int) -> NDArray[np.int64]:
        """(queries, top): the rows of about the nearest vectors."""
        nearest_clusters = np.argsort(-(units @ self._centres.T), axis=1, kind="stable")
        return np.stack([self._nearest(*query, top) for query in zip(units, nearest_clusters, strict=True)])

    def _nearest(self, unit: NDArray[np.float32], clusters: NDArray[np.int64], top: int) -> NDArray[np.int64]:
        sizes = self._starts[clusters + 1] - self._starts[clusters]
        enough = int(np.searchsorted(np.cumsum(sizes), top)) + 1
        spans = [
            slice(self._starts[cluster], self._starts[cluster + 1])
            for cluster in clusters[: max(enough, _CLUSTERS_COMPARED)]
        ]
        cosines = np.concatenate([self._units[span] @ unit for span in spans])
        rows = np.concatenate([self._rows[span] for span in spans])
        return rows[np.argpartition(-cosines, top - 1)[:top]]


def open_index(table: VectorTable, folder: Path) -> VectorIndex:
    """The index of the table in `folder`. Raises RequestError if the folder holds none, or one of other vectors."""
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
    return VectorIndex(IndexFacts(*(facts[name] for name in IndexFacts._fields)), map_arrays(folder / _FILE))


def build_index(table: VectorTable, folder: Path) -> VectorIndex:
    """Builds the index of all vectors of the table in a new folder, and measures what it finds of the exact nearest
    neighbours of some of them."""
    started = time.monotonic()
    centres = _centres(table)
    clusters = np.empty(len(table), np.int32)
    for block in _blocks(len(table)):
        clusters[block] = (table.units(block) @ centres.T).argmax(1)
    order = np.argsort(clusters, kind="stable")
    units = np.empty((len(table), table.dim), np.float32)
    for block in _blocks(len(table)):
        units[block] = table.units(order[block])
    starts = np.searchsorted(clusters[order], np.arange(len(centres) + 1))
    arrays: dict[str, NDArray[Any]] = {"centres": centres, "starts": starts, "rows": order, "units": units}
    facts: dict[str, Any] = {"kind": _KIND, "fingerprint": _fingerprint(table)}
    with new_folder(folder, facts) as temporary:
        write_arrays(temporary / _FILE, arrays, {})
        recall, queries = _recall(table, VectorIndex(IndexFacts(len(table), 0, 0, 0), arrays))
        measured = IndexFacts(len(table), recall, queries, round(time.monotonic() - started, 1))
        facts |= measured._asdict()
    return open_index(table, folder)


def _centres(table: VectorTable) -> NDArray[np.float32]:
    """(clusters, dim): the centres of as many clusters as the root of the number of vectors, by spherical k-means."""
    num_clusters, generator = max(1, round(len(table) ** 0.5)), np.random.default_rng(1)
    num_sampled = min(len(table), num_clusters * _SAMPLE_OF_CLUSTER)
    sample = table.units(np.sort(generator.choice(len(table), num_sampled, replace=False)))
    centres = sample[generator.choice(num_sampled, num_clusters, replace=False)]
    for _ in range(_PASSES):
        clusters = np.concatenate([(sample[block] @ centres.T).argmax(1) for block in _blocks(num_sampled)])
        order = np.argsort(clusters, kind="stable")
        occupied, starts = np.unique(clusters[order], return_index=True)
        sums = np.add.reduceat(sample[order], starts, axis=0)
        centres[occupied] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return centres


def _blocks(num_rows: int) -> list[slice]:
    return [slice(first, first + _ROWS_AT_ONCE) for first in range(0, num_rows, _ROWS_AT_ONCE)]


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
