"""The distinct values of arrays of integers are those of a set, in increasing order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seqloom.distinct import distinct


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int32])
@pytest.mark.parametrize("size", [0, 1, 2, 1_000])
def test_it_is_a_sorted_set(dtype: Any, size: int) -> None:
    values = np.random.default_rng(size).integers(0, 300, size).astype(dtype)
    result = distinct(values)
    assert result.dtype == dtype
    assert result.tolist() == sorted({*values.tolist()})


@pytest.mark.parametrize("values", [[0, 0], [-1, -1, 0], [2**63 - 1, -(2**63)]])
def test_the_first_value_is_kept_whatever_it_is(values: list[int]) -> None:
    assert distinct(np.array(values, np.int64)).tolist() == sorted({*values})
