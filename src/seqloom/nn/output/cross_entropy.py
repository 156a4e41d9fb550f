"""Cross-entropy of a softmax, computed with its gradient, a block of rows at a time: a whole batch's logits are never
held."""

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

    With `smoothing` e, a target has the probability 1 - e, and e is spread evenly over the vocabulary (Szegedy et al.
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
                rows, chosen = hidden[start:stop], targets[start:stop, None]
                logits = product(rows, table.T, bias) if rows.dtype == bias.dtype else (rows @ table.T) + bias
                at_target = logits.gather(1, chosen)
                peak = logits.amax(1, keepdim=True)
                norm = logits.sub_(peak).exp_().sum(1, keepdim=True)
                total += (peak + norm.log() - at_target * (1 - smoothing)).sum()
                if gradients:
                    d_hidden, d_weight, d_bias = gradients
                    error = logits.div_(norm)
                    error.scatter_add_(1, chosen, error.new_full((1, 1), smoothing - 1.0).expand_as(chosen))
                    d_bias += error.sum(0)
                    error = error.to(hidden.dtype)
                    product_into(d_hidden[start:stop], error, table)
                    if error.dtype == weight.dtype:
                        d_weight.addmm_(error.T, rows)
                    else:
                        d_weight += error.T @ rows
            if smoothing:
                total -= _spread(smoothing, hidden, weight, bias, gradients)
        ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        d_hidden, d_weight, d_bias = ctx.saved_tensors
        if float(gradient) == 1.0:  # the usual case: nothing was scaled
            return d_hidden, d_weight, d_bias, None, None
        return d_hidden * gradient.to(d_hidden.dtype), d_weight * gradient, d_bias * gradient, None, None


def _spread(
    smoothing: float, hidden: Tensor, weight: Tensor, bias: Tensor, gradients: tuple[Tensor, ...]
) -> Float[Tensor, ""]:
    """`smoothing` times the sum over rows of their mean logit, taken off the gradients too.

    A row's mean logit is its product with the mean of `weight`, so no logit is looked at again.
    """
    share, total = smoothing / len(bias), hidden.sum(0, dtype=bias.dtype)
    mean = weight.mean(0)
    if gradients:
        d_hidden, d_weight, d_bias = gradients
        d_hidden -= (smoothing * mean).to(d_hidden.dtype)
        d_weight -= share * total
        d_bias -= share * len(hidden)
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
    """Where each block of rows begins and ends, so that its logits, `width` a row, are few enough to stay in cache."""
    size = max(1, _BLOCK_ELEMENTS // width)
    return [(start, min(start + size, num_rows)) for start in range(0, num_rows, size)]
