"""Parses decimal numbers in the bytes of a text, in compiled code."""

from __future__ import annotations

import numpy as np

from seqloom.compiling import Array, compiled


@compiled
def parse_number(text: Array, first: int, last: int) -> float:
    """The decimal number `text[first:last]`, also `inf` and `-inf`; NaN if it is not a number."""
    i, sign = first, 1.0
    if text[i] == 45 or text[i] == 43:
        sign = -1.0 if text[i] == 45 else 1.0
        i += 1
    if last - i == 3 and (text[i] | 32) == 105 and (text[i + 1] | 32) == 110 and (text[i + 2] | 32) == 102:
        return sign * np.inf
    value, scale, digits = 0.0, 0, 0
    while i < last and 48 <= text[i] <= 57:
        value = value * 10 + (text[i] - 48)
        digits += 1
        i += 1
    if i < last and text[i] == 46:
        i += 1
        while i < last and 48 <= text[i] <= 57:
            value = value * 10 + (text[i] - 48)
            scale -= 1
            digits += 1
            i += 1
    if i < last and (text[i] | 32) == 101 and digits:
        i += 1
        below = i < last and text[i] == 45
        if i < last and (text[i] == 45 or text[i] == 43):
            i += 1
        exponent, digits = 0, 0
        while i < last and 48 <= text[i] <= 57:
            exponent = min(exponent * 10 + (text[i] - 48), 9999)
            digits += 1
            i += 1
        scale += -exponent if below else exponent
    if i < last or not digits:
        return np.nan
    # Division by an exact power of ten is rounded once; a product with an inexact one would be rounded twice.
    return sign * (value / 10.0**-scale if scale < 0 else value * 10.0**scale)
