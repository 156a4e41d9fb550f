"""Question: how much faster is a search among a million vectors with an index than an exact one, how many of the 10
nearest does it find, and how long does it take to build?

The vectors are random, in clusters, of dimension 100. Times are those of one query after another. The time to build
includes the search for the exact neighbours of 200 vectors, with which those of the index are compared.

    python benchmarks/vector_index.py
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import seqloom
from peers.race import machine, write_results
from seqloom.processors import set_num_threads

DIM, CLUSTERS = 100, 20_000


def random_vectors(words: int) -> seqloom.Vectors:
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(CLUSTERS, DIM)).astype(np.float32)
    matrix = centres[rng.integers(CLUSTERS, size=words)]
    matrix += 0.7 * rng.standard_normal(size=matrix.shape, dtype=np.float32)
    return seqloom.Vectors([f"w{number}" for number in range(words)], matrix)


def milliseconds(vectors: seqloom.Vectors, queries: int) -> float:
    """The median time of a query for the 10 nearest."""
    seconds = []
    for number in range(queries):
        started = time.perf_counter()
        vectors.similar(f"w{number}", 10)
        seconds.append(time.perf_counter() - started)
    return 1e3 * float(np.median(seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    set_num_threads(options.threads)
    vectors = random_vectors(options.words)
    exact = milliseconds(vectors, 20)
    with tempfile.TemporaryDirectory() as folder:
        facts = vectors.use_index(Path(folder) / "index")
        indexed = milliseconds(vectors, 200)
        size = (Path(folder) / "index" / "index.safetensors").stat().st_size
    print(
        f"{options.words:,} vectors of dimension {DIM}: {exact:.1f} ms exactly, {indexed:.2f} ms with an index of "
        f"{size / 1e6:,.0f} MB, built in {facts.seconds:.0f} s, which finds {facts.recall:.1%} of the 10 nearest",
        flush=True,
    )
    write_results(
        "vector_index",
        {
            "vectors": options.words,
            "dim": DIM,
            "milliseconds_exact": exact,
            "milliseconds_with_index": indexed,
            "index_bytes": size,
            **facts._asdict(),
            "machine": machine(options.threads),
        },
    )


if __name__ == "__main__":
    main()
