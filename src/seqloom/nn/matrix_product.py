"""Matrix products by the faster of the two libraries that torch includes, MKL and oneDNN."""

from __future__ import annotations

from typing import Any

import torch
import torch.utils.weak
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from seqloom.processors import is_amd


def _prefers_onednn() -> bool:
    """Torch multiplies with MKL, which uses 256-bit instructions on processors that are not Intel's. oneDNN uses
    512-bit ones. They are faster on AMD's processors from Zen 5 on, the first with `avx_vnni` (Zen 4 splits them in
    two).

    The choice depends on the processor, not on a measurement: a resumed run must round as it did before.
    """
    capabilities = torch.cpu.get_capabilities()
    return is_amd() and bool(capabilities.get("avx512_f") and capabilities.get("avx_vnni")) and _LINEAR is not None


_LINEAR: Any = getattr(getattr(torch.ops.mkldnn, "_linear_pointwise", None), "default", None)
ONEDNN = _prefers_onednn()

MIN_MULTIPLICATIONS = 3 * 2**19
"""Below this many multiplications, oneDNN's fixed cost for each call outweighs its speed."""


def is_large(factor: Tensor, times: int) -> bool:
    """Whether a product in which each number of `factor` is multiplied `times` times is large enough for oneDNN, which
    also computes all products in bfloat16."""
    return factor.numel() * times >= MIN_MULTIPLICATIONS


def use_onednn(factor: Tensor, times: int) -> bool:
    """Whether to use oneDNN for such a product in float32."""
    return ONEDNN and is_large(factor, times) and factor.dtype == torch.float32 and factor.device.type == "cpu"


FEW_ROWS = range(1, 65)
"""With so many rows, a product by MKL with the transpose of a weight takes up to four times as long as one with a copy
of it in memory order."""

_SMALL_WEIGHT = 2**14
"""Of up to so many numbers, for which finding the copy takes as long as the product."""

_VERY_FEW_ROWS, _SMALL_WEIGHT_OF_VERY_FEW = 4, 2**18
"""With fewer rows than this, only weights that do not fit into a core's cache are worth a copy."""

_transposes: Any = torch.utils.weak.WeakTensorKeyDictionary()
"""For a weight: its version, which every change of it raises, and the copy of its transpose."""


def kept_transpose(weight: Tensor, inputs: Tensor) -> Tensor | None:
    """A copy of weight.t() in memory order, where inputs @ weight.t() is faster with it; None where it is not. The copy
    is kept until the weight changes."""
    if torch.is_grad_enabled() or not _is_kept(weight, inputs):
        return None
    version, transpose = _transposes.get(weight, (-1, None))
    if version != weight._version:
        transpose = weight.detach().t().contiguous()
        _transposes[weight] = weight._version, transpose
    return transpose


def _is_kept(weight: Tensor, inputs: Tensor) -> bool:
    """Whether there are few rows, and the weight is a parameter on the CPU in float32 for which MKL is used. Tensors of
    inference mode have no version."""
    rows = inputs.numel() // inputs.shape[-1]
    small = _SMALL_WEIGHT if rows >= _VERY_FEW_ROWS else _SMALL_WEIGHT_OF_VERY_FEW
    if rows not in FEW_ROWS or weight.numel() <= small:
        return False
    if not isinstance(weight, nn.Parameter) or weight.is_inference():
        return False
    plain = inputs.dtype == weight.dtype == torch.float32 and weight.device.type == "cpu"
    return plain and not use_onednn(inputs, len(weight)) and not torch.is_autocast_enabled("cpu")


def forget_transposes() -> None:
    """Frees the copies of all weights."""
    _transposes.clear()


def product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """left (rows, inner) @ right (inner, columns) + bias (columns), without gradients, after rounding `left` to the
    precision of `right`."""
    if left.dtype != right.dtype:
        rounded = _rounded(left, right).to(left.dtype)
        return rounded if bias is None else rounded.add_(bias)
    if use_onednn(left, right.shape[1]):
        return _onednn(left, right, bias)
    if bias is not None and len(left) < _VERY_FEW_ROWS and right.stride(1) == 1:
        # MKL adds the products to the bias one by one here, which rounds four times as much where it is large.
        return torch.mm(left, right).add_(bias)
    return torch.mm(left, right) if bias is None else torch.addmm(bias, left, right)


def product_into(out: Tensor, left: Tensor, right: Tensor) -> None:
    """out = left @ right, after rounding `left` to the precision of `right`."""
    if left.dtype != right.dtype:
        out.copy_(_rounded(left, right))
    elif use_onednn(left, right.shape[1]):
        out.copy_(_onednn(left, right, None))
    else:
        torch.mm(left, right, out=out)


def add_product(out: Tensor, left: Tensor, right: Tensor) -> None:
    """out += left @ right, after rounding `left` to the precision of `right`."""
    if left.dtype != right.dtype:
        out.add_(_rounded(left, right))
    elif use_onednn(left, right.shape[1]):
        out.add_(_onednn(left, right, None))
    else:
        out.addmm_(left, right)


def _rounded(left: Tensor, right: Tensor) -> Tensor:
    """left @ right, in the precision of `right`."""
    return torch.mm(left.to(right.dtype), right)


def as_right_factor(transposed: Tensor, rows: int) -> Tensor:
    """`transposed`, the transpose of a matrix, in the layout that is fastest for many products `left @ transposed` with
    `rows` rows in `left`."""
    return transposed.contiguous() if use_onednn(transposed, rows) else transposed


def weight_gradient(grad_product: Tensor, inputs: Tensor, precision: torch.dtype | None = None) -> Tensor:
    """grad_product.t() @ inputs, over all elements at once, both rounded to `precision`. A tall result is computed as
    the transpose of inputs.t() @ grad_product, which is up to a quarter faster."""
    if precision is not None:
        grad_product, inputs = grad_product.to(precision), inputs.to(precision)
    if grad_product.shape[1] <= inputs.shape[1]:
        return product(grad_product.t(), inputs)
    return product(inputs.t(), grad_product).t()


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """inputs (*batch, input) @ weight (output, input).t() + bias (output), with gradients."""
    transpose = kept_transpose(weight, inputs)
    if transpose is not None:
        return product(_rows(inputs), transpose, bias).view(*inputs.shape[:-1], len(weight))
    if use_onednn(inputs, len(weight)) and not torch.is_autocast_enabled("cpu"):
        return _LinearFunction.apply(inputs, weight, bias)  # type: ignore[no-untyped-call]
    return F.linear(inputs, weight, bias)


class Linear(nn.Linear):
    """torch's `Linear`, computed by `linear`."""

    def forward(self, inputs: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch output"]:
        return linear(inputs, self.weight, self.bias)


class _LinearFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return product(_rows(inputs), weight.t(), bias).view(*inputs.shape[:-1], len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        needs_inputs, needs_weight, needs_bias = ctx.needs_input_grad
        rows = _rows(grad_output)
        return (
            product(rows, weight).view_as(inputs) if needs_inputs else None,
            weight_gradient(rows, _rows(inputs)) if needs_weight else None,
            rows.sum(0) if needs_bias else None,
        )


def _rows(batch: Tensor) -> Tensor:
    return batch.reshape(-1, batch.shape[-1])


def _onednn(left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:
    return _LINEAR(left, right.t(), bias, "none", [], "")
