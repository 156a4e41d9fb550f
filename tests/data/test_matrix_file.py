"""A matrix written row by row is the one that numpy reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqloom.storage.matrix_file import write_matrix


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (20_000, 2), (1, 0)])
def test_numpy_reads_what_was_written(shape: tuple[int, int], tmp_path: Path) -> None:
    matrix = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with (tmp_path / "matrix.npy").open("wb") as stream:
        write_matrix(stream, iter(matrix))
    np.testing.assert_array_equal(np.load(tmp_path / "matrix.npy", allow_pickle=False), matrix)
