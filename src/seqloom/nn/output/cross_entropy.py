"""Cross-entropy of a softmax, computed together with its gradient one block of rows at a time: the logits of a whole
batch are never in memory at once."""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqloom.nn.matrix_product import product, product_into

_BLOCK_ELEMENTS = 1 << 20


class SummedCrossEntropy(torch.autograd.Function):
    """The sum over rows of -log softmax(hidden @ weight.T + bias)[target], in nats, and its gradients, in one pass over
    blocks of rows. Products are in hidden's precision, the softmax in float32 or better.

    With `smoothing` e, the target has the probability 1 - e, and e is spread evenly over the vocabulary (Szegedy et al.
    2016, section 7).
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            table = weight.to(hidden.dtype)
            total = bias.new_zeros(())
            gradients: tuple[Tensor, ...] = ()
            if any(ctx.needs_input_grad):
                gradients = torch.empty_like(hidden), torch.zeros_like(weight), torch.zeros_like(bias)
            for start, stop in blocks(len(targets), len(bias)):
                rows, block_targets = hidden[start:stop], targets[start:stop, None]
                logits = product(rows, table.T, bias) if rows.dtype == bias.dtype else (rows @ table.T) + bias
                at_target = logits.gather(1, block_targets)
                peak = logits.amax(1, keepdim=True)
                norm = logits.sub_(peak).exp_().sum(1, keepdim=True)
                total += (peak + norm.log() - at_target * (1 - smoothing)).sum()
                if gradients:
                    grad_hidden, grad_weight, grad_bias = gradients
                    error = logits.div_(norm)
                    error.scatter_add_(
                        1, block_targets, error.new_full((1, 1), smoothing - 1.0).expand_as(block_targets)
                    )
                    grad_bias += error.sum(0)
                    error = error.to(hidden.dtype)
                    product_into(grad_hidden[start:stop], error, table)
                    if error.dtype == weight.dtype:
                        grad_weight.addmm_(error.T, rows)
                    else:
                        grad_weight += error.T @ rows
            if smoothing:
                total -= _smoothing_term(smoothing, hidden, weight, bias, gradients)
        ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        if float(gradient) == 1.0:  # the usual case: the loss was not scaled
            return grad_hidden, grad_weight, grad_bias, None, None
        return grad_hidden * gradient.to(grad_hidden.dtype), grad_weight * gradient, grad_bias * gradient, None, None


def _smoothing_term(
    smoothing: float, hidden: Tensor, weight: Tensor, bias: Tensor, gradients: tuple[Tensor, ...]
) -> Float[Tensor, ""]:
    """`smoothing` times the sum over rows of their mean logit; its gradient is subtracted from `gradients`.

    The mean logit of a row is its product with the mean of `weight`, so the logits are not needed.
    """
    share, total = smoothing / len(bias), hidden.sum(0, dtype=bias.dtype)
    mean = weight.mean(0)
    if gradients:
        grad_hidden, grad_weight, grad_bias = gradients
        grad_hidden -= (smoothing * mean).to(grad_hidden.dtype)
        grad_weight -= share * total
        grad_bias -= share * len(hidden)
    return smoothing * (total @ mean + len(hidden) * bias.mean())


def summed_cross_entropy(
    hidden: Float[Tensor, "rows hidden"],
    weight: Float[Tensor, "vocab hidden"],
    bias: Float[Tensor, " vocab"],
    targets: Int[Tensor, " rows"],
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """`SummedCrossEntropy` as a function."""
    return cast(Tensor, SummedCrossEntropy.apply(hidden, weight, bias, targets, smoothing))  # type: ignore[no-untyped-call]


def blocks(num_rows: int, width: int) -> list[tuple[int, int]]:
    """The first and last row of each block, so small that its logits, `width` for each row, fit in the cache."""
    size = max(1, _BLOCK_ELEMENTS // width)
    return [(start, min(start + size, num_rows)) for start in range(0, num_rows, size)]
