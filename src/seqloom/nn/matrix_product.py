"""Matrix products, by the faster of the two libraries that torch carries."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def _prefers_onednn() -> bool:
    """Torch multiplies with MKL, which on a processor that is not Intel's works on 256 bits at a time. oneDNN works on
    512 where there are so many: on AMD's from Zen 5 on, the first to have `avx_vnni` (Zen 4 does them in two halves).

    By what the processor is, not by a measurement: a run that is resumed must round as it did.
    """
    has = torch.cpu.get_capabilities()
    amd = str(has.get("cpu_name", "")).startswith("AMD")
    return amd and bool(has.get("avx512_f") and has.get("avx_vnni")) and _LINEAR is not None


_LINEAR: Any = getattr(getattr(torch.ops.mkldnn, "_linear_pointwise", None), "default", None)
ONEDNN = _prefers_onednn()

ENOUGH = 3 * 2**19
"""Multiplications from which oneDNN's longer preparations are worth their while."""


def by_onednn(factor: Tensor, times: int) -> bool:
    """Whether a product is one for oneDNN in which each number of `factor` is multiplied so many times."""
    return ONEDNN and factor.numel() * times >= ENOUGH and factor.dtype == torch.float32 and factor.device.type == "cpu"


def product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """left (rows, inner) @ right (inner, columns) + bias (columns), without a gradient."""
    if by_onednn(left, right.shape[1]):
        return _onednn(left, right, bias)
    return torch.mm(left, right) if bias is None else torch.addmm(bias, left, right)


def product_into(out: Tensor, left: Tensor, right: Tensor) -> None:
    """out = left @ right"""
    if by_onednn(left, right.shape[1]):
        out.copy_(_onednn(left, right, None))
    else:
        torch.mm(left, right, out=out)


def add_product(out: Tensor, left: Tensor, right: Tensor) -> None:
    """out += left @ right"""
    if by_onednn(left, right.shape[1]):
        out.add_(_onednn(left, right, None))
    else:
        out.addmm_(left, right)


def as_right_factor(transposed: Tensor, rows: int) -> Tensor:
    """`transposed`, the transpose of a matrix, as it stands best for many products with `rows` rows to its left."""
    return transposed.contiguous() if by_onednn(transposed, rows) else transposed


def weight_gradient(by_product: Tensor, seen: Tensor) -> Tensor:
    """by_product.t() @ seen, over all elements at once. Where it is tall, the libraries are up to a quarter faster the
    other way round; where it is not, that would only leave a copy to be made."""
    if by_product.shape[1] <= seen.shape[1]:
        return product(by_product.t(), seen)
    return product(seen.t(), by_product).t()


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """inputs (*batch, input) @ weight (output, input).t() + bias (output), with gradients."""
    if by_onednn(inputs, len(weight)) and not torch.is_autocast_enabled("cpu"):
        return _LinearFunction.apply(inputs, weight, bias)  # type: ignore[no-untyped-call]
    return F.linear(inputs, weight, bias)


class Linear(nn.Linear):
    """Torch's, by `linear`."""

    def forward(self, inputs: Float[Tensor, "*batch input"]) -> Float[Tensor, "*batch output"]:
        return linear(inputs, self.weight, self.bias)


class _LinearFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return product(_rows(inputs), weight.t(), bias).view(*inputs.shape[:-1], len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_output: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        of_inputs, of_weight, of_bias = ctx.needs_input_grad
        rows = _rows(by_output)
        return (
            product(rows, weight).view_as(inputs) if of_inputs else None,
            weight_gradient(rows, _rows(inputs)) if of_weight else None,
            rows.sum(0) if of_bias else None,
        )


def _rows(batch: Tensor) -> Tensor:
    return batch.reshape(-1, batch.shape[-1])


def _onednn(left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:
    return _LINEAR(left, right.t(), bias, "none", [], "")
