"""What each self-attention head does along the data: its entropy, and how far back it looks on the mean."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seqloom.explain.probes.probe import NetworkProbe
from seqloom.nn.attention.multi_head import SelfAttention, rotate


@dataclass(frozen=True)
class HeadMeans:
    """Of one head, over the positions of the probe's rows. `entropy`: nats of its weights; `distance`: the mean number
    of positions between a query and what it attends to."""

    layer: str
    head: int
    entropy: float
    distance: float


@torch.no_grad()
def attention_heads(probe: NetworkProbe) -> list[HeadMeans]:
    measured: list[HeadMeans] = []

    def watch(name: str) -> Any:
        def hook(module: SelfAttention, arguments: tuple[Any, ...], named: dict[str, Any], result: Any) -> None:  # noqa: ARG001
            inputs, rotation, _, mask, causal = arguments
            weights = _weights(module, inputs[:4], rotation, None if mask is None else mask[:4], causal)
            time = weights.shape[-1]
            away = (torch.arange(time)[:, None] - torch.arange(time)).abs().to(weights)
            entropy = -(weights * weights.clamp(min=1e-12).log()).sum(-1).mean((0, 2))
            distance = (weights * away).sum(-1).mean((0, 2))
            for head, (e, d) in enumerate(zip(entropy.tolist(), distance.tolist(), strict=True)):
                measured.append(HeadMeans(name, head, e, d))

        return hook

    with ExitStack() as stack:
        for name, module in probe.network.named_modules():
            if isinstance(module, SelfAttention):
                handle = module.register_forward_hook(watch(name), with_kwargs=True)
                stack.callback(handle.remove)
        probe.end_loss(probe.network)
    return measured


def _weights(module: SelfAttention, inputs: Tensor, rotation: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """(batch, heads, queries, keys): the weights of a pass that begins with an empty cache."""
    batch, time, _ = inputs.shape
    projected = module.project_in(inputs).view(batch, time, 3, module.num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key = rotate(projected[:2], rotation[:, : len(inputs)] if rotation.shape[1] > 1 else rotation)
    scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
    if causal:
        mask = torch.ones(time, time, dtype=torch.bool, device=scores.device).tril()
    return (scores if mask is None else scores.masked_fill(~mask, float("-inf"))).softmax(-1)


def has_self_attention(network: nn.Module) -> bool:
    return any(isinstance(module, SelfAttention) for module in network.modules())
