"""A neural cache: what followed similar hidden vectors before, mixed with the distribution of a language model."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

SHARPNESS = (4.0, 8.0, 16.0, 32.0)
SHARES = (0.05, 0.1, 0.2, 0.35)


class CacheState(NamedTuple):
    """`keys` (1, cached, width): the last hidden vectors, of length 1; `tokens` (1, cached): the token after each;
    `log_weights` (1, experts): the logarithm of each expert's weight, float64."""

    keys: Tensor
    tokens: Tensor
    log_weights: Tensor


class NeuralCache:
    """Grave, Joulin and Usunier 2017: p_cache(w | h_t) is proportional to the sum of exp(theta cos(h_t, h_i)) over the
    cached i after which w followed, and p = (1 - share) p_model + share p_cache.

    Unlike in the paper, cosines replace products, so that the same sharpness theta suits every model, and theta and the
    share are not tuned: each combination of `SHARPNESS` and `SHARES`, and the model without a cache, is an expert,
    and p is the mixture of the experts with their posterior probabilities given the text so far. So p depends on
    nothing but previous tokens, and its total loss is at most log(experts) nats above that of the best expert.
    """

    def __init__(self, size: int) -> None:
        """`size`: the number of tokens that are cached."""
        self.size = size
        self._shares = torch.tensor([0.0, *(share for share in SHARES for _ in SHARPNESS)], dtype=torch.float64)

    def initial_state(self, like: Float[Tensor, "batch time width"]) -> CacheState:
        keys, tokens = like.new_zeros((1, 0, like.shape[2])), torch.zeros((1, 0), dtype=torch.long, device=like.device)
        experts = len(self._shares)
        return CacheState(keys, tokens, torch.full((1, experts), 1 / experts, dtype=torch.float64).log())

    def log_prob(
        self,
        hidden: Float[Tensor, "time width"],
        targets: Int[Tensor, " time"],
        of_model: Float[Tensor, " time"],
        state: CacheState,
    ) -> tuple[Float[Tensor, " time"], CacheState]:
        """log p of each target, in nats, given `of_model`, its log-probability without the cache; and the state."""
        queries, cached = F.normalize(hidden, dim=1), state.tokens.shape[1]
        keys, tokens = torch.cat([state.keys[0], queries]), torch.cat([state.tokens[0], targets])
        now = cached + torch.arange(len(targets), device=hidden.device)[:, None]
        places = torch.arange(len(tokens), device=hidden.device)
        readable = (places < now) & (places >= now - self.size)
        similarity = (queries @ keys.t()).masked_fill(~readable, -torch.inf)
        followed = tokens == targets[:, None]
        of_cache = [((theta * similarity).softmax(1) * followed).sum(1) for theta in SHARPNESS]
        by_sharpness = torch.stack(of_cache, dim=1).double().cpu()
        probs = of_model.double().cpu().exp()[:, None]
        # Without any cached token, all experts are the model.
        by_sharpness = torch.where(readable.any(1, keepdim=True).cpu(), by_sharpness, probs)
        by_expert = torch.cat([probs, by_sharpness.repeat(1, len(SHARES))], dim=1)
        log_probs = ((1 - self._shares) * probs + self._shares * by_expert).clamp(min=1e-300).log()
        weights = state.log_weights + torch.cat([log_probs.new_zeros((1, log_probs.shape[1])), log_probs.cumsum(0)])
        weights = weights.log_softmax(1)
        mixed = (weights[:-1] + log_probs).logsumexp(1)
        newest = slice(max(len(tokens) - self.size, 0), None)
        return mixed.to(of_model), CacheState(keys[None, newest], tokens[None, newest], weights[-1:])

    def log_probs(
        self, hidden: Float[Tensor, "1 width"], of_model: Float[Tensor, "1 vocab"], state: CacheState
    ) -> Float[Tensor, "1 vocab"]:
        """log p of every token, in nats, given `of_model`, the log-probabilities without the cache."""
        if not state.tokens.shape[1]:
            return of_model
        similarity = F.normalize(hidden, dim=1) @ state.keys[0].t()
        weights = (self._shares * state.log_weights[0].exp())[1:].view(len(SHARES), -1).sum(0)
        shares = sum(
            weight * (theta * similarity).softmax(1).double().cpu()
            for weight, theta in zip(weights, SHARPNESS, strict=True)
        )
        probs = (1 - weights.sum()) * of_model.double().cpu().exp()
        probs.scatter_add_(1, state.tokens.cpu(), torch.as_tensor(shares))
        return probs.log().to(of_model)
