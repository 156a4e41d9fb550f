"""What each self-attention head does along the data: its entropy, and how far back it looks on the mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqloom.explain.probes.probe import NetworkProbe
from seqloom.nn.attention.multi_head import SelfAttention, rotate

_ROWS = 4

Weights = Float[Tensor, "rows heads queries keys"]


@dataclass(frozen=True)
class HeadMeans:
    """Of one head, over the positions of the probe's rows. `entropy`: nats of its weights; `distance`: the mean number
    of positions between a query and what it attends to."""

    layer: str
    head: int
    entropy: float
    distance: float


def attention_heads(probe: NetworkProbe) -> list[HeadMeans]:
    with recorded_attention(probe.network) as recorded, torch.no_grad():
        probe.end_loss(probe.network)
    return [means for layer, weights in recorded.items() for means in _means(layer, weights)]


def _means(layer: str, weights: Weights) -> list[HeadMeans]:
    time = weights.shape[-1]
    away = (torch.arange(time)[:, None] - torch.arange(time)).abs().to(weights)
    entropy = -(weights * weights.clamp(min=1e-12).log()).sum(-1).mean((0, 2))
    distance = (weights * away).sum(-1).mean((0, 2))
    by_head = zip(entropy.tolist(), distance.tolist(), strict=True)
    return [HeadMeans(layer, head, e, d) for head, (e, d) in enumerate(by_head)]


@contextmanager
def recorded_attention(network: nn.Module) -> Iterator[dict[str, Weights]]:
    """Within this context, the first pass through each self-attention layer leaves the weights of its first rows. The
    passes begin with an empty cache."""
    recorded: dict[str, Weights] = {}

    def record(name: str) -> Any:
        def hook(module: SelfAttention, arguments: tuple[Any, ...], result: Any) -> None:  # noqa: ARG001
            inputs, rotation, _, mask, causal = arguments
            if name not in recorded:
                mask = None if mask is None else mask[:_ROWS]
                recorded[name] = _weights(module, inputs[:_ROWS].detach(), rotation, mask, causal)

        return hook

    with ExitStack() as hooks:
        for name, module in network.named_modules():
            if isinstance(module, SelfAttention):
                hooks.enter_context(module.register_forward_hook(record(name)))
        yield recorded


@torch.no_grad()
def _weights(module: SelfAttention, inputs: Tensor, rotation: Tensor, mask: Tensor | None, causal: bool) -> Weights:
    batch, time, _ = inputs.shape
    projected = module.project_in(inputs).view(batch, time, 3, module.num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key = rotate(projected[:2], rotation[:, : len(inputs)] if rotation.shape[1] > 1 else rotation)
    scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
    if causal:
        mask = torch.ones(time, time, dtype=torch.bool, device=scores.device).tril()
    return (scores if mask is None else scores.masked_fill(~mask, float("-inf"))).softmax(-1)
