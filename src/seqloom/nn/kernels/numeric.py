"""Functions shared by the compiled kernels: vectorised sigmoid and tanh, sums and products of rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from seqloom.compiling import Array as Array
from seqloom.compiling import compiled as compiled
from seqloom.compiling import inlined as inlined
from seqloom.compiling import plain

ONE, ZERO = np.float32(1), np.float32(0)
"""Constants for numbers of any precision: a plain 1 would turn float32 into float64."""

# tanh(x) / x = P(x^2) / Q(x^2) on [-9, 9]: a minimax fit with an error of at most 2e-8, 4e-7 in float32 arithmetic. The
# mathematical library's tanh is one call for each number; this is a dozen multiplications for eight numbers.
_P = [np.float32(c) for c in (9.99999980e-01, 1.33809811e-01, 3.49553449e-03, 2.06081841e-05, 1.33534121e-08)]
_Q = [np.float32(c) for c in (1.00000000e00, 4.67142968e-01, 2.58767799e-02, 3.28554625e-04, 7.77604676e-07)]
_P0, _P1, _P2, _P3, _P4 = _P
_Q0, _Q1, _Q2, _Q3, _Q4 = _Q
_HALF, _NINE = np.float32(0.5), np.float32(9)


def tanh(x: float) -> float:
    """Exact up to rounding in float64, to 4e-7 in float32."""
    return math.tanh(x)


@overload(tanh, strict=False)
def _tanh(x: Any) -> Callable[[Any], Any]:
    if x == types.float32:

        def fitted(x: Any) -> Any:
            # Comparisons that a NaN fails leave it a NaN.
            bounded = _NINE if x > _NINE else x
            bounded = -_NINE if bounded < -_NINE else bounded
            z = bounded * bounded
            above = (((_P4 * z + _P3) * z + _P2) * z + _P1) * z + _P0
            below = (((_Q4 * z + _Q3) * z + _Q2) * z + _Q1) * z + _Q0
            y = bounded * above / below
            y = ONE if y > ONE else y
            return -ONE if y < -ONE else y

        return plain(fitted)
    return lambda x: math.tanh(x)


@inlined
def sigmoid(x: Any) -> Any:
    return _HALF + _HALF * tanh(_HALF * x)


@inlined
def add_to(total: Array, row: Array) -> None:
    for j in range(total.shape[0]):
        total[j] += row[j]


@inlined
def add_products(x: Array, matrix: Array, out: Array) -> None:
    """out += x @ matrix.T, for a few rows: a library's overhead would be as large as the product."""
    zero = x.dtype.type(0)
    for row in range(x.shape[0]):
        for column in range(matrix.shape[0]):
            total, weights, values = zero, matrix[column], x[row]
            for j in range(values.shape[0]):
                total += weights[j] * values[j]
            out[row, column] += total
