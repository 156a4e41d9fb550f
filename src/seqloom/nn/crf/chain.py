"""Paths along a chain of tags: the score of one, the sum over all, the best. By compiled code on a CPU."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class Chain(NamedTuple):
    """The scores of a tag in the first place (tags), after each tag (tags, tags; from, to), and in the last (tags)."""

    first: Tensor
    moves: Tensor
    last: Tensor


def real_steps(emissions: Tensor, lengths: Tensor | None) -> Bool[Tensor, "batch time"]:
    """False in padding."""
    if lengths is None:
        return torch.ones(emissions.shape[:2], dtype=torch.bool, device=emissions.device)
    return torch.arange(emissions.shape[1], device=emissions.device) < lengths[:, None]


def path_score(
    emissions: Float[Tensor, "batch time tags"],
    tags: Int[Tensor, "batch time"],
    chain: Chain,
    lengths: Int[Tensor, " batch"] | None = None,
) -> Float[Tensor, " batch"]:
    """The score of these paths (Collobert et al. 2011, equation 12); 0 of a row without elements."""
    real = real_steps(emissions, lengths)
    seen = emissions.gather(2, tags[:, :, None]).squeeze(2)
    size = len(chain.first)
    moves = nn.functional.embedding(tags[:, :-1] * size + tags[:, 1:], chain.moves.reshape(-1, 1)).squeeze(2)
    ends = real.sum(1, keepdim=True).clamp(min=1) - 1
    outer = chain.first[tags[:, 0]] + chain.last[tags.gather(1, ends).squeeze(1)]
    inner = torch.where(real, seen, 0.0).sum(1) + torch.where(real[:, 1:], moves, 0.0).sum(1)
    return inner + torch.where(real[:, 0], outer, 0.0)


def log_partition(
    emissions: Float[Tensor, "batch time tags"], chain: Chain, lengths: Int[Tensor, " batch"] | None = None
) -> Float[Tensor, " batch"]:
    """log Z: the log of the sum over all paths of e^score (Collobert et al. 2011, equation 14); 0 of a row without
    elements."""
    if emissions.device.type != "cpu":
        return summed_in_torch(emissions, chain, lengths)
    return cast(Tensor, _LogPartition.apply(emissions, *chain, lengths))  # type: ignore[no-untyped-call]


def summed_in_torch(emissions: Tensor, chain: Chain, lengths: Tensor | None = None) -> Float[Tensor, " batch"]:
    """`log_partition` on any device."""
    alpha = chain.first + emissions[:, 0]
    real = real_steps(emissions, lengths)
    for step in range(1, emissions.shape[1]):
        after = torch.logsumexp(alpha[:, :, None] + chain.moves, dim=1) + emissions[:, step]
        alpha = torch.where(real[:, step, None], after, alpha)
    return torch.where(real[:, 0], torch.logsumexp(alpha + chain.last, dim=1), 0.0)


class _LogPartition(torch.autograd.Function):
    """log Z by compiled code. Its gradient is what every gradient of a log-partition is: the probabilities of the tags,
    and of two in a row."""

    @staticmethod
    def forward(
        ctx: Any, emissions: Tensor, first: Tensor, moves: Tensor, last: Tensor, lengths: Tensor | None
    ) -> Tensor:
        from seqloom.nn.kernels.crf import forward

        batch, time, tags = emissions.shape
        if lengths is None:
            lengths = torch.full((batch,), time)
        double = torch.float64
        scores = [part.detach().to(double).exp().numpy() for part in (first, moves, last)]
        alphas, weights = (torch.empty(batch, time, tags, dtype=double) for _ in range(2))
        scales, log_z = torch.empty(batch, time + 1, dtype=double), torch.empty(batch, dtype=double)
        kept = [part.numpy() for part in (alphas, weights, scales)]
        forward(emissions.detach().contiguous().numpy(), lengths.numpy(), *scores, *kept, log_z.numpy())
        ctx.kept, ctx.scores, ctx.lengths, ctx.dtype = kept, scores, lengths.numpy(), emissions.dtype
        return log_z.to(emissions.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_log_z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        from seqloom.nn.kernels.crf import backward

        (alphas, weights, scales), (_, moves, last) = ctx.kept, ctx.scores
        batch, time, tags = alphas.shape
        posteriors = torch.zeros(batch, time, tags, dtype=torch.float64)
        pairs = torch.zeros(tags, tags, dtype=torch.float64)
        own = posteriors.numpy(), pairs.numpy()
        backward(ctx.lengths, moves, last, alphas, weights, scales, by_log_z.double().contiguous().numpy(), *own)
        ends = torch.from_numpy(ctx.lengths).clamp(min=1) - 1
        at_end = posteriors[torch.arange(batch), ends].sum(0)  # all zeros in a row without elements
        by_emissions, by_first, by_moves, by_last = (
            part.to(ctx.dtype) for part in (posteriors, posteriors[:, 0].sum(0), pairs, at_end)
        )
        return by_emissions, by_first, by_moves, by_last, None


def best_path(
    emissions: Float[Tensor, "batch time tags"], chain: Chain, lengths: Int[Tensor, " batch"] | None = None
) -> Int[Tensor, "batch time"]:
    """The tags of each row's path with the highest score, and zeros in padding."""
    if emissions.device.type != "cpu":
        return searched_in_torch(emissions, chain, lengths)
    from seqloom.nn.kernels.crf import best_paths

    batch, time, _ = emissions.shape
    lengths = torch.full((batch,), time) if lengths is None else lengths
    found = torch.zeros(batch, time, dtype=torch.long)
    scores = [part.detach().double().numpy() for part in chain]
    best_paths(emissions.detach().contiguous().numpy(), lengths.numpy(), *scores, found.numpy())
    return found


def searched_in_torch(emissions: Tensor, chain: Chain, lengths: Tensor | None = None) -> Int[Tensor, "batch time"]:
    """`best_path` on any device."""
    batch, time, tags = emissions.shape
    real = real_steps(emissions, lengths)
    best, stay = chain.first + emissions[:, 0], torch.arange(tags, device=emissions.device).expand(batch, -1)
    came_from = []
    for step in range(1, time):
        score, chosen = (best[:, :, None] + chain.moves).max(dim=1)
        here = real[:, step, None]
        best = torch.where(here, score + emissions[:, step], best)
        came_from.append(torch.where(here, chosen, stay))
    path = [(best + chain.last).argmax(1)]
    for chosen in reversed(came_from):
        path.append(chosen.gather(1, path[-1][:, None]).squeeze(1))
    return torch.stack(path[::-1], dim=1).masked_fill(~real, 0)
