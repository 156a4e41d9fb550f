"""Arithmetic on eight float32 at a time, as vector instructions of LLVM.

A compiler does not vectorise loops that update rows in place, since it cannot know that the rows do not overlap. So the
kernels use vectors explicitly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing import templates
from numba.extending import intrinsic, models, register_model

LANES = 8

signature: Any = templates.signature

_FAST = ("contract", "reassoc", "nsz", "arcp")
_FLOATS, _INTS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.IntType(32), LANES)


class _Eight(types.Type):
    """Eight float32."""


_eight = cast(Any, _Eight)("eight_float32")


@register_model(_Eight)
class _EightModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _FLOATS)  # type: ignore[no-untyped-call]


def _make(result: Any, generate: Callable[..., Any], *kinds: Any) -> Any:
    """An operation on eights that returns `result`; `generate` emits its instructions."""

    def code(context: Any, builder: Any, signed: Any, arguments: Any) -> Any:  # noqa: ARG001
        return generate(builder, *arguments)

    return signature(result, *kinds), code


def _splat_of(builder: Any, number: Any) -> Any:
    first = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    return _shuffled(builder, first, first, [0] * LANES)


def _constant(number: float) -> Any:
    return ir.Constant(_FLOATS, [number] * LANES)


def _shuffled(builder: Any, a: Any, b: Any, places: Sequence[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(_INTS, list(places)))


def _plus(builder: Any, a: Any, b: Any) -> Any:
    return builder.fadd(a, b, flags=_FAST)


def _times(builder: Any, a: Any, b: Any) -> Any:
    return builder.fmul(a, b, flags=_FAST)


def _largest(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _address(context: Any, builder: Any, kind: Any, array: Any, place_kind: Any, place: Any) -> Any:
    array_struct = context.make_array(kind)(context, builder, array)
    index = context.cast(builder, place, place_kind, types.intp)
    element = cgutils.get_item_pointer(context, builder, kind, array_struct, [index], wraparound=False)  # type: ignore[no-untyped-call]
    return builder.bitcast(element, _FLOATS.as_pointer())


def _load(typing_context: Any, array: Any, place: Any) -> Any:  # noqa: ARG001
    """The eight numbers of a row of float32 from `place` on."""

    def code(context: Any, builder: Any, kinds: Any, arguments: Any) -> Any:
        kind, place_kind = kinds.args
        return builder.load(_address(context, builder, kind, arguments[0], place_kind, arguments[1]), align=4)

    return signature(_eight, array, place), code


def _store(typing_context: Any, array: Any, place: Any, value: Any) -> Any:  # noqa: ARG001
    """Writes eight numbers from `place` on."""

    def code(context: Any, builder: Any, kinds: Any, arguments: Any) -> Any:
        kind, place_kind, _ = kinds.args
        address = _address(context, builder, kind, arguments[0], place_kind, arguments[1])
        builder.store(arguments[2], address, align=4)
        return context.get_dummy_value()

    return signature(types.void, array, place, value), code


def _splat(typing_context: Any, number: Any) -> Any:  # noqa: ARG001
    """One float32, repeated eight times."""
    return _make(_eight, _splat_of, number)


def _add_product(typing_context: Any, total: Any, a: Any, b: Any) -> Any:  # noqa: ARG001
    """total + a * b."""

    def generate(builder: Any, total: Any, a: Any, b: Any) -> Any:
        return _plus(builder, _times(builder, a, b), total)

    return _make(_eight, generate, total, a, b)


def _add(typing_context: Any, a: Any, b: Any) -> Any:  # noqa: ARG001
    return _make(_eight, _plus, a, b)


def _multiply(typing_context: Any, a: Any, b: Any) -> Any:  # noqa: ARG001
    return _make(_eight, _times, a, b)


def _sums(typing_context: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> Any:  # noqa: ARG001
    """The sums of six eights, followed by two zeros."""

    def generate(builder: Any, *vectors: Any) -> Any:
        level = [*vectors, _constant(0.0), _constant(0.0)]
        halves = (
            ([0, 8, 2, 10, 4, 12, 6, 14], [1, 9, 3, 11, 5, 13, 7, 15]),
            ([0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]),
            ([0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]),
        )
        for even, odd in halves:
            pairs = zip(level[::2], level[1::2], strict=True)
            level = [_plus(builder, _shuffled(builder, a, b, even), _shuffled(builder, a, b, odd)) for a, b in pairs]
        return level[0]

    return _make(_eight, generate, a, b, c, d, e, f)


def _exp_of(builder: Any, x: Any) -> Any:
    """e^x for x <= 0, to 3e-7: 2^n times a polynomial; below -87 it is about 1e-38."""
    x = _largest(builder, x, _constant(-87.0))
    scaled = _times(builder, x, _constant(1.44269504))
    integer = builder.fptosi(builder.fadd(scaled, _constant(-0.5)), _INTS)
    n = builder.sitofp(integer, _FLOATS)
    remainder = _plus(builder, _times(builder, n, _constant(-0.693145752)), x)
    remainder = _plus(builder, _times(builder, n, _constant(-1.42860677e-6)), remainder)
    total = _constant(_TAYLOR[0])
    for factor in _TAYLOR[1:]:
        total = _plus(builder, _times(builder, total, remainder), _constant(factor))
    bits = builder.shl(builder.add(integer, ir.Constant(_INTS, [127] * LANES)), ir.Constant(_INTS, [23] * LANES))
    return _times(builder, total, builder.bitcast(bits, _FLOATS))


_TAYLOR = (1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0)


def _exp_below(typing_context: Any, z: Any) -> Any:  # noqa: ARG001
    """e^-|z|."""

    def generate(builder: Any, z: Any) -> Any:
        negative = builder.fsub(_constant(0.0), z)
        less = builder.select(builder.fcmp_ordered("<", z, negative), z, negative)
        return _exp_of(builder, less)

    return _make(_eight, generate, z)


def _one_minus_sigmoid(typing_context: Any, z: Any, e: Any) -> Any:  # noqa: ARG001
    """1 - sigmoid(z) = 1 / (1 + e^z), given `e` = e^-|z|."""

    def generate(builder: Any, z: Any, e: Any) -> Any:
        above = builder.select(builder.fcmp_ordered(">", z, _constant(0.0)), e, _constant(1.0))
        return builder.fdiv(above, _plus(builder, e, _constant(1.0)), flags=_FAST)

    return _make(_eight, generate, z, e)


def _negative_part(typing_context: Any, z: Any) -> Any:  # noqa: ARG001
    """max(-z, 0)."""

    def generate(builder: Any, z: Any) -> Any:
        return _largest(builder, builder.fsub(_constant(0.0), z), _constant(0.0))

    return _make(_eight, generate, z)


load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
splat: Any = intrinsic(_splat)
add_product: Any = intrinsic(_add_product)
add: Any = intrinsic(_add)
multiply: Any = intrinsic(_multiply)
sums: Any = intrinsic(_sums)
exp_below: Any = intrinsic(_exp_below)
one_minus_sigmoid: Any = intrinsic(_one_minus_sigmoid)
negative_part: Any = intrinsic(_negative_part)
