"""How loops are compiled: to machine code by numba, kept on disk, free of the interpreter's lock."""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import mmap
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from llvmlite import ir
from llvmlite.binding import Linkage
from numba import njit, types
from numba.core import cgutils
from numba.core.caching import IndexDataCacheFile
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

Array = Any
"""A numpy array, as the kernels take it."""

_FAST = {"contract", "reassoc", "nsz", "arcp"}
"""Arithmetic may be regrouped, but NaN and infinity stay what they are: the trainer looks for them."""


class _OwnCopies(JITCodeLibrary):
    """The machine code of one function, with copies of its own of all functions that it calls.

    Numba makes these copies replaceable: a call goes to the copy that the process loaded first, wherever it was
    compiled. The process that compiles has other copies than those that read the cache, and the order in which
    functions are loaded matters too, so that equal commands would give other last bits.
    """

    def _optimize_final_module(self) -> None:
        super()._optimize_final_module()  # type: ignore[no-untyped-call]
        for function in self._final_module.functions:
            # Not before: optimisation inlines a function of which it knows all calls, and some loops become slower.
            if function.linkage == Linkage.linkonce_odr and not function.name.startswith("NRT_"):
                function.linkage = Linkage.internal


class _Compiler(Compiler):
    """Numba's compiler, for functions with copies of their own of what they call."""

    def define_pipelines(self) -> Any:
        codegen, name = self.state.targetctx.codegen(), self.state.func_id.func_qualname
        self.state.library = _OwnCopies(codegen, name)  # type: ignore[no-untyped-call]
        self.state.library.enable_object_caching()
        return super().define_pipelines()  # type: ignore[no-untyped-call]


class _Index(IndexDataCacheFile):
    """The index of the machine code of a function on disk. One that cannot be read counts as empty: it is damaged, or
    names a class that only another version of Seqloom has."""

    def _load_index(self) -> dict[Any, Any]:
        try:
            entries: dict[Any, Any] = super()._load_index()  # type: ignore[no-untyped-call]
        except (AttributeError, ImportError, EOFError, ValueError, pickle.UnpicklingError):
            return {}
        return entries


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled for the types it is called with, kept on disk, and free of the interpreter's lock. Its machine code does
    not depend on what else the process has compiled or loaded."""
    options: dict[str, Any] = {"nogil": True, "fastmath": _FAST, "error_model": "numpy", "pipeline_class": _Compiler}
    try:
        machine_code: Callable[..., Any] = njit(cache=True, **options)(plain(function))
    except RuntimeError:  # neither the package's folder nor the user's can be written: each process compiles anew
        return njit(**options)(plain(function))
    if isinstance(machine_code, Dispatcher):
        cache: Any = machine_code._cache  # type: ignore[attr-defined]
        stamp = cache._impl.locator.get_source_stamp()
        cache._cache_file = _Index(cache._cache_path, cache._impl.filename_base, stamp)  # type: ignore[no-untyped-call]
    return machine_code


def compiled_functions(
    module: ModuleType, called: Mapping[str, Callable[..., Any]] | None = None, inline: bool = False
) -> dict[str, Callable[..., Any]]:
    """Compiled copies of the functions of a module, which call each other and not the interpreted ones. `called`: the
    compiled ones of other modules that they call. `inline`: for use in other compiled functions only."""
    scope = {**vars(module), **(called or {})}
    functions = {name: plain(value) for name, value in scope.items() if _is_of(value, module)}
    for name, function in functions.items():
        scope[name] = (inlined if inline else compiled)(FunctionType(function.__code__, scope, name))
    return {name: scope[name] for name in functions}


def _is_of(value: object, module: ModuleType) -> bool:
    return isinstance(value, FunctionType) and value.__module__ == module.__name__


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
