"""Paths of tags in a linear-chain CRF: the score of a path, the log-partition function and the best path. Compiled on a
CPU."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class Chain(NamedTuple):
    """The scores of a first tag (tags), of a transition (tags, tags; from, to), and of a last tag (tags)."""

    first: Tensor
    transitions: Tensor
    last: Tensor


def real_steps(emissions: Tensor, lengths: Tensor | None) -> Bool[Tensor, "batch time"]:
    """True at real steps, False in padding."""
    if lengths is None:
        return torch.ones(emissions.shape[:2], dtype=torch.bool, device=emissions.device)
    return torch.arange(emissions.shape[1], device=emissions.device) < lengths[:, None]


def path_score(
    emissions: Float[Tensor, "batch time tags"],
    tags: Int[Tensor, "batch time"],
    chain: Chain,
    lengths: Int[Tensor, " batch"] | None = None,
) -> Float[Tensor, " batch"]:
    """The score of each path (Collobert et al. 2011, equation 12); 0 for a row without elements."""
    real = real_steps(emissions, lengths)
    tag_emissions = emissions.gather(2, tags[:, :, None]).squeeze(2)
    size = len(chain.first)
    transitions = nn.functional.embedding(tags[:, :-1] * size + tags[:, 1:], chain.transitions.reshape(-1, 1)).squeeze(
        2
    )
    last_steps = real.sum(1, keepdim=True).clamp(min=1) - 1
    boundary = chain.first[tags[:, 0]] + chain.last[tags.gather(1, last_steps).squeeze(1)]
    inner = torch.where(real, tag_emissions, 0.0).sum(1) + torch.where(real[:, 1:], transitions, 0.0).sum(1)
    return inner + torch.where(real[:, 0], boundary, 0.0)


def log_partition(
    emissions: Float[Tensor, "batch time tags"], chain: Chain, lengths: Int[Tensor, " batch"] | None = None
) -> Float[Tensor, " batch"]:
    """log Z, the logarithm of the sum of e^score over all paths (Collobert et al. 2011, equation 14); 0 for an empty
    row."""
    if emissions.device.type != "cpu":
        return log_partition_in_torch(emissions, chain, lengths)
    return cast(Tensor, _LogPartition.apply(emissions, *chain, lengths))  # type: ignore[no-untyped-call]


def log_partition_in_torch(emissions: Tensor, chain: Chain, lengths: Tensor | None = None) -> Float[Tensor, " batch"]:
    """`log_partition` in plain torch, for any device."""
    alpha = chain.first + emissions[:, 0]
    real = real_steps(emissions, lengths)
    for step in range(1, emissions.shape[1]):
        after = torch.logsumexp(alpha[:, :, None] + chain.transitions, dim=1) + emissions[:, step]
        alpha = torch.where(real[:, step, None], after, alpha)
    return torch.where(real[:, 0], torch.logsumexp(alpha + chain.last, dim=1), 0.0)


class _LogPartition(torch.autograd.Function):
    """log Z by compiled code. Its gradient is the marginal probabilities of tags and of pairs of successive tags."""

    @staticmethod
    def forward(
        ctx: Any, emissions: Tensor, first: Tensor, transitions: Tensor, last: Tensor, lengths: Tensor | None
    ) -> Tensor:
        from seqloom.nn.kernels.crf import forward

        batch, time, tags = emissions.shape
        if lengths is None:
            lengths = torch.full((batch,), time)
        double = torch.float64
        scores = [part.detach().to(double).exp().numpy() for part in (first, transitions, last)]
        alphas, weights = (torch.empty(batch, time, tags, dtype=double) for _ in range(2))
        scales, log_z = torch.empty(batch, time + 1, dtype=double), torch.empty(batch, dtype=double)
        saved = [part.numpy() for part in (alphas, weights, scales)]
        forward(emissions.detach().contiguous().numpy(), lengths.numpy(), *scores, *saved, log_z.numpy())
        ctx.saved, ctx.scores, ctx.lengths, ctx.dtype = saved, scores, lengths.numpy(), emissions.dtype
        return log_z.to(emissions.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_log_z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        from seqloom.nn.kernels.crf import backward

        (alphas, weights, scales), (_, transitions, last) = ctx.saved, ctx.scores
        batch, time, tags = alphas.shape
        posteriors = torch.zeros(batch, time, tags, dtype=torch.float64)
        pairs = torch.zeros(tags, tags, dtype=torch.float64)
        grad_array = grad_log_z.double().contiguous().numpy()
        backward(ctx.lengths, transitions, last, alphas, weights, scales, grad_array, posteriors.numpy(), pairs.numpy())
        last_steps = torch.from_numpy(ctx.lengths).clamp(min=1) - 1
        at_end = posteriors[torch.arange(batch), last_steps].sum(0)  # all zeros in a row without elements
        grad_emissions, grad_first, grad_transitions, grad_last = (
            part.to(ctx.dtype) for part in (posteriors, posteriors[:, 0].sum(0), pairs, at_end)
        )
        return grad_emissions, grad_first, grad_transitions, grad_last, None


def best_path(
    emissions: Float[Tensor, "batch time tags"], chain: Chain, lengths: Int[Tensor, " batch"] | None = None
) -> Int[Tensor, "batch time"]:
    """The tags of each row's path with the highest score, and zeros in padding."""
    if emissions.device.type != "cpu":
        return best_path_in_torch(emissions, chain, lengths)
    from seqloom.nn.kernels.crf import best_paths

    batch, time, _ = emissions.shape
    lengths = torch.full((batch,), time) if lengths is None else lengths
    paths = torch.zeros(batch, time, dtype=torch.long)
    scores = [part.detach().double().numpy() for part in chain]
    best_paths(emissions.detach().contiguous().numpy(), lengths.numpy(), *scores, paths.numpy())
    return paths


def best_path_in_torch(emissions: Tensor, chain: Chain, lengths: Tensor | None = None) -> Int[Tensor, "batch time"]:
    """`best_path` in plain torch, for any device."""
    batch, time, tags = emissions.shape
    real = real_steps(emissions, lengths)
    best, same_tag = chain.first + emissions[:, 0], torch.arange(tags, device=emissions.device).expand(batch, -1)
    backpointers = []
    for step in range(1, time):
        score, previous_tag = (best[:, :, None] + chain.transitions).max(dim=1)
        is_real = real[:, step, None]
        best = torch.where(is_real, score + emissions[:, step], best)
        backpointers.append(torch.where(is_real, previous_tag, same_tag))
    path = [(best + chain.last).argmax(1)]
    for previous_tag in reversed(backpointers):
        path.append(previous_tag.gather(1, path[-1][:, None]).squeeze(1))
    return torch.stack(path[::-1], dim=1).masked_fill(~real, 0)
