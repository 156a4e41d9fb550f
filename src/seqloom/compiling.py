"""How loops are compiled: to machine code by numba, kept on disk, free of the interpreter's lock."""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import mmap
import re
from collections.abc import Callable
from pathlib import Path
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


@compiled
def _nothing() -> int:
    return 0


def give_back_compiler() -> None:
    """Gives the pages of the compiler's library back to the system: the first loop that a process loads leads through
    70 MB of them, those after it touch few. What is needed again is read again, from the system's cache of files.
    Elsewhere than on Linux it does nothing."""
    _nothing()
    with contextlib.suppress(AttributeError, OSError):
        maps, give = Path("/proc/self/smaps").read_text(), ctypes.CDLL(None).madvise
        for first, last in _UNCHANGED.findall(maps):
            give(ctypes.c_void_p(int(first, 16)), ctypes.c_size_t(int(last, 16) - int(first, 16)), mmap.MADV_DONTNEED)


_UNCHANGED = re.compile(
    r"^([0-9a-f]+)-([0-9a-f]+) r-.p .*libllvmlite.*\n(?:[A-Z].*\n)*?Anonymous: +0 kB$", re.MULTILINE
)
"""A part of the library that nobody may write to or has written to, such as addresses in it: it is as in the file."""


def _prefetch(typing_context: Any, array: Any, place: Any) -> Any:  # noqa: ARG001
    """Begins to read the element at `place`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, place_kind = signature.args
        array_struct = context.make_array(kind)(context, builder, arguments[0])
        index = context.cast(builder, arguments[1], place_kind, types.intp)
        element = cgutils.get_item_pointer(context, builder, kind, array_struct, [index], wraparound=False)  # type: ignore[no-untyped-call]
        address, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        of = ir.FunctionType(ir.VoidType(), [address, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [address], of)
        to_read, near, data = number(0), number(3), number(1)
        builder.call(function, [builder.bitcast(element, address), to_read, near, data])
        return context.get_dummy_value()

    return types.void(array, place), generate


prefetch: Any = intrinsic(_prefetch)
