"""Vectorised exp and log; the mathematical library computes one number per call."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from seqloom.compiling import plain
from seqloom.nn.kernels.numeric import ONE

# e^r = 1 + r + r^2 P(r) for |r| <= log(2) / 2, and log(1 + f) = f + f^2 Q(f) for 1 + f between the square roots of 1/2
# and 2: interpolation at Chebyshev nodes, with errors of at most 1.2e-8 and 2.3e-8.
_P = [np.float32(c) for c in (5.000000015e-01, 1.666656960e-01, 4.166644833e-02, 8.364383390e-03, 1.393545454e-03)]
_P0, _P1, _P2, _P3, _P4 = _P
_Q = [np.float32(c) for c in (-4.999999481e-01, 3.333365979e-01, -2.500160962e-01, 1.997310588e-01)]
_Q += [np.float32(c) for c in (-1.657504811e-01, 1.480645958e-01, -1.425779497e-01, 9.004202124e-02)]
_Q0, _Q1, _Q2, _Q3, _Q4, _Q5, _Q6, _Q7 = _Q
_HALF, _LOG_2, _PER_LOG_2 = np.float32(0.5), np.float32(math.log(2)), np.float32(1 / math.log(2))
_LOWEST, _HIGHEST = np.float32(-87), np.float32(88)
_BIAS, _FRACTION_BITS = np.int32(127), np.int32(23)
_FRACTION = np.int32(0x7FFFFF)
_ROOT_HALF = np.int32(0x3F3504F3)  # as a float32: the square root of 1/2


def _bits_of(typing_context: Any, number: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


def _of_bits(typing_context: Any, bits: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


bits_of: Any = intrinsic(_bits_of)
of_bits: Any = intrinsic(_of_bits)


def exp(x: float) -> float:
    """Exact up to rounding in float64; in float32 to 2e-7 of its value, and never below e^-87 or above e^88."""
    return math.exp(x)


@overload(exp, strict=False)
def _exp(x: Any) -> Callable[[Any], Any]:
    if x == types.float32:

        def fitted(x: Any) -> Any:
            # Comparisons that a NaN fails leave it a NaN.
            bounded = _LOWEST if x < _LOWEST else x
            bounded = _HIGHEST if bounded > _HIGHEST else bounded
            power = np.int32(bounded * _PER_LOG_2 + (_HALF if bounded > np.float32(0) else -_HALF))
            r = bounded - np.float32(power) * _LOG_2
            fraction = ONE + r + r * r * ((((_P4 * r + _P3) * r + _P2) * r + _P1) * r + _P0)
            return fraction * of_bits(np.int32((power + _BIAS) << _FRACTION_BITS))

        return plain(fitted)
    return lambda x: math.exp(x)


def log(x: float) -> float:
    """For normal positive numbers: exact up to rounding in float64, in float32 to 3e-7 of its value or of one."""
    return math.log(x)


@overload(log, strict=False)
def _log(x: Any) -> Callable[[Any], Any]:
    if x == types.float32:

        def fitted(x: Any) -> Any:
            above = np.int32(bits_of(x) - _ROOT_HALF)
            power = np.int32(above >> _FRACTION_BITS)
            f = of_bits(np.int32((above & _FRACTION) + _ROOT_HALF)) - ONE
            high = ((_Q7 * f + _Q6) * f + _Q5) * f + _Q4
            low = ((_Q3 * f + _Q2) * f + _Q1) * f + _Q0
            square = f * f
            value = f + square * (low + square * square * high) + np.float32(power) * _LOG_2
            return x if x != x else value

        return plain(fitted)
    return lambda x: math.log(x)
