"""Matrix products by the faster of the two libraries that torch includes, MKL and oneDNN."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def _prefers_onednn() -> bool:
    """Torch multiplies with MKL, which uses 256-bit instructions on processors that are not Intel's. oneDNN uses
    512-bit ones. They are faster on AMD's processors from Zen 5 on, the first with `avx_vnni` (Zen 4 splits them in
    two).

    The choice depends on the processor, not on a measurement: a resumed run must round as it did before.
    """
    capabilities = torch.cpu.get_capabilities()
    amd = str(capabilities.get("cpu_name", "")).startswith("AMD")
    return amd and bool(capabilities.get("avx512_f") and capabilities.get("avx_vnni")) and _LINEAR is not None


_LINEAR: Any = getattr(getattr(torch.ops.mkldnn, "_linear_pointwise", None), "default", None)
ONEDNN = _prefers_onednn()

MIN_MULTIPLICATIONS = 3 * 2**19
"""Below this many multiplications, oneDNN's fixed cost for each call outweighs its speed."""


def use_onednn(factor: Tensor, times: int) -> bool:
    """Whether to use oneDNN for a product in which each number of `factor` is multiplied `times` times."""
    is_large = ONEDNN and factor.numel() * times >= MIN_MULTIPLICATIONS
    return is_large and factor.dtype == torch.float32 and factor.device.type == "cpu"


def product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """left (rows, inner) @ right (inner, columns) + bias (columns), without gradients."""
    if use_onednn(left, right.shape[1]):
        return _onednn(left, right, bias)
    return torch.mm(left, right) if bias is None else torch.addmm(bias, left, right)


def product_into(out: Tensor, left: Tensor, right: Tensor) -> None:
    """out = left @ right"""
    if use_onednn(left, right.shape[1]):
        out.copy_(_onednn(left, right, None))
    else:
        torch.mm(left, right, out=out)


def add_product(out: Tensor, left: Tensor, right: Tensor) -> None:
    """out += left @ right"""
    if use_onednn(left, right.shape[1]):
        out.add_(_onednn(left, right, None))
    else:
        out.addmm_(left, right)


def as_right_factor(transposed: Tensor, rows: int) -> Tensor:
    """`transposed`, the transpose of a matrix, in the layout that is fastest for many products `left @ transposed` with
    `rows` rows in `left`."""
    return transposed.contiguous() if use_onednn(transposed, rows) else transposed


def weight_gradient(grad_product: Tensor, inputs: Tensor) -> Tensor:
    """grad_product.t() @ inputs, over all elements at once. A tall result is computed as the transpose of
    inputs.t() @ grad_product, which is up to a quarter faster."""
    if grad_product.shape[1] <= inputs.shape[1]:
        return product(grad_product.t(), inputs)
    return product(inputs.t(), grad_product).t()


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """inputs (*batch, input) @ weight (output, input).t() + bias (output), with gradients."""
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
