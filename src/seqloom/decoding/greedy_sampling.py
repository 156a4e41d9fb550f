"""Decoding strategies without competition: the most probable token (greedy), or a sample (ancestral sampling)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqloom.data.tokenizer import EOS
from seqloom.decoding.candidates import most_probable
from seqloom.decoding.decode_loop import Choice, Sources, Strategy
from seqloom.decoding.sampling import Sampling
from seqloom.nn.layer import State
from seqloom_portable.keyed_rng import draw, token_keys


class _Independent(Strategy):
    """Hypotheses that are extended independently until they end."""

    first_rows = rows = 1

    def _extend(self, log_probs: Tensor, totals: Tensor, tokens: Tensor) -> tuple[Choice, Bool[Tensor, " batch"]]:
        totals = totals + log_probs.gather(2, tokens[:, :, None]).squeeze(2)
        ended = tokens == EOS
        rows = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
        alive = totals.masked_fill(ended, -torch.inf)
        choice = Choice(tokens, None, alive, totals.where(ended, -torch.inf), rows)
        return choice, (alive == -torch.inf).all(1)


class Greedy(_Independent):
    """The most probable token at each step, as a beam of one, but without its bookkeeping."""

    def start(self, sources: Sources) -> State:  # noqa: ARG002
        return ()

    def pruning_threshold(
        self,
        log_probs: Float[Tensor, "batch rows some"],
        totals: Float[Tensor, "batch rows"],  # noqa: ARG002
    ) -> Float[Tensor, "batch rows"]:
        return log_probs.amax(2)

    def choose(
        self,
        log_probs: Float[Tensor, "batch rows vocab"],
        totals: Float[Tensor, "batch rows"],
        strategy_state: State,
        length: int,  # noqa: ARG002
    ) -> tuple[Choice, State, Bool[Tensor, " batch"]]:
        tokens = most_probable(log_probs, torch.zeros_like(totals), 1).tokens
        choice, done = self._extend(log_probs, totals, tokens)
        return choice, strategy_state, done


class AncestralSampling(_Independent):
    """Samples each token from the distribution of `sampling`; `samples` independent targets for each source.

    Every sample has its own random numbers, which depend on the seed, its source and its number, but not on the rest of
    the batch.
    """

    def __init__(self, sampling: Sampling, samples: int, seed: int) -> None:
        self.sampling, self.seed = sampling, seed
        self.first_rows = self.rows = samples

    def start(self, sources: Sources) -> Int[Tensor, "batch samples longest"]:
        """A random key for each possible token."""
        return torch.from_numpy(token_keys(sources.keys, sources.longest, self.first_rows, self.seed))

    def choose(
        self,
        log_probs: Float[Tensor, "batch rows vocab"],
        totals: Float[Tensor, "batch rows"],
        strategy_state: Int[Tensor, "batch samples longest"],
        length: int,
    ) -> tuple[Choice, State, Bool[Tensor, " batch"]]:
        probs = self.sampling.distribution(log_probs.float().cpu().numpy())
        tokens = torch.from_numpy(draw(probs, strategy_state[:, :, length - 1].cpu().numpy()))
        choice, done = self._extend(log_probs, totals, tokens.to(log_probs.device))
        return choice, strategy_state, done
