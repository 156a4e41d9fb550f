"""Compiled functions hold copies of their own of what they call, so that last bits do not depend on other functions."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from seqloom.compiling import Array, compiled, inlined


@inlined
def mean_of_products(first: Array, second: Array) -> float:
    """Called twice, so that the compiler does not put it into its caller."""
    total = 0.0
    for row in range(first.shape[0]):
        for column in range(first.shape[1]):
            total += first[row, column] * second[row, column] / (1.0 + abs(first[row, column]))
            if total > 1e6:
                total = np.sqrt(total)
    return total / first.size


@compiled
def compiled_inside(first: Array, second: Array) -> float:
    return mean_of_products(first, second) + mean_of_products(second, first)  # type: ignore[no-any-return]


@compiled
def compiled_outside(first: Array, second: Array) -> float:
    return compiled_inside(first, second) - compiled_inside(second, first) + mean_of_products(first, first)  # type: ignore[no-any-return]


def _replaceable(function: Any) -> list[str]:
    """The functions in its machine code for which the copy of another one may be taken."""
    (overload,) = function.overloads.values()
    defined = overload.library.get_defined_functions()
    linkages = {function.name: function.linkage.name for function in defined}
    assert "external" in linkages.values()
    return [name for name, linkage in linkages.items() if linkage == "linkonce_odr" and not name.startswith("NRT_")]


def test_no_call_goes_to_the_copy_of_another_function() -> None:
    numbers = np.random.default_rng(1).normal(size=(5, 7))
    for function in (compiled_outside, compiled_inside):
        function(numbers, numbers)
        function.recompile()  # type: ignore[attr-defined]  # what is read from the cache cannot be looked into
        assert _replaceable(function) == []


@pytest.mark.parametrize("content", [b"cseqloom.compiling\nMissing\n.", b"cseqloom.gone\nName\n.", b"", b"no"])
def test_code_of_another_version_is_compiled_anew(content: bytes) -> None:
    def half(number: float) -> float:
        return number / 2

    before = compiled(half)
    assert before(3.0) == 1.5
    (index,) = Path(before._cache.cache_path).glob(f"{before._cache._impl.filename_base}.nbi")  # type: ignore[attr-defined]
    index.write_bytes(pickle.dumps(numba.__version__) + content)
    assert compiled(half)(3.0) == 1.5
