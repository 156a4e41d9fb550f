"""How loops are compiled: to machine code by numba, kept on disk, free of the interpreter's lock."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

Array = Any
"""A numpy array, as the kernels take it."""

_FAST = {"contract", "reassoc", "nsz", "arcp"}
"""Arithmetic may be regrouped, but NaN and infinity stay what they are: the trainer looks for them."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled for the types it is called with, kept on disk, and free of the interpreter's lock."""
    try:
        return njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")(plain(function))
    except RuntimeError:  # neither the package's folder nor the user's can be written: each process compiles anew
        return njit(nogil=True, fastmath=_FAST, error_model="numpy")(plain(function))


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for use in other compiled functions."""
    return njit(fastmath=_FAST, error_model="numpy")(plain(function))


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Tests wrap functions to check shapes, which a compiler cannot read."""
    return inspect.unwrap(function)


def _prefetch(typing_context: Any, array: Any, place: Any) -> Any:  # noqa: ARG001
    """Begins to read the element at `place`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, place_kind = signature.args
        whole = context.make_array(kind)(context, builder, arguments[0])
        index = context.cast(builder, arguments[1], place_kind, types.intp)
        element = cgutils.get_item_pointer(context, builder, kind, whole, [index], wraparound=False)  # type: ignore[no-untyped-call]
        address, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        of = ir.FunctionType(ir.VoidType(), [address, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [address], of)
        to_read, near, data = number(0), number(3), number(1)
        builder.call(function, [builder.bitcast(element, address), to_read, near, data])
        return context.get_dummy_value()

    return types.void(array, place), generate


prefetch: Any = intrinsic(_prefetch)
