"""Diverse beam search: groups of hypotheses that avoid each other's tokens."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seqloom.data.tokenizer import EOS
from seqloom.decoding.beam import BeamSearch, Ended
from seqloom.decoding.decode_loop import Choice, Sources, Strategy
from seqloom.decoding.search_options import Search

GroupStates = tuple[Ended, ...]


class DiverseBeam(Strategy):
    """The beam is divided into groups of equal size, each a beam search of its own. At each step the groups choose one
    after the other, and the log-probability of a token is lower by `diversity` for each hypothesis of the earlier
    groups that has chosen it at this step (Vijayakumar et al. 2018, section 4, with the Hamming diversity).

    The penalty decides which tokens are chosen; the scores of hypotheses are those of the model.
    """

    first_rows = 1

    def __init__(self, search: Search) -> None:
        self.search, self.rows = search, search.beam_size
        self.groups = search.diverse_groups
        self.diversity = 0.5 if search.diversity is None else search.diversity
        size = search.beam_size // self.groups
        self.group_search = BeamSearch(replace(search, beam_size=size, n_best=size, diverse_groups=1, diversity=None))

    def start(self, sources: Sources) -> GroupStates:
        return tuple(self.group_search.start(sources) for _ in range(self.groups))

    def choose(
        self,
        log_probs: Float[Tensor, "batch rows vocab"],
        totals: Float[Tensor, "batch rows"],
        strategy_state: GroupStates,
        length: int,
    ) -> tuple[Choice, GroupStates, Bool[Tensor, " batch"]]:
        batch, _, vocab = log_probs.shape
        is_first = length == 1
        size = 1 if is_first else totals.shape[1] // self.groups
        penalty = log_probs.new_zeros(batch, vocab)
        choices, states = list[Choice](), list[Ended]()
        all_done = torch.ones(batch, dtype=torch.bool, device=log_probs.device)
        for number, state in enumerate(strategy_state):
            first = 0 if is_first else number * size
            rows = slice(first, first + size)
            penalised = log_probs[:, rows] - penalty[:, None]
            choice, state, done = self.group_search.choose(penalised, totals[:, rows], state, length)
            alive = choice.totals + penalty.gather(1, choice.tokens)
            parents = None if choice.parents is None else choice.parents + first
            ended = choice.ended + penalty[:, EOS, None]
            choices.append(Choice(choice.tokens, parents, alive, ended, choice.ended_rows + first))
            states.append(state)
            all_done &= done
            amounts = torch.full_like(alive, self.diversity).where(alive > -torch.inf, 0.0)
            penalty.scatter_add_(1, choice.tokens, amounts)
            penalty[:, EOS] += self.diversity * (ended > -torch.inf).sum(1)
        return _joined(choices), tuple(states), all_done


def _joined(choices: list[Choice]) -> Choice:
    """The choices of all groups, one after the other."""
    tokens, totals, ended, ended_rows = (
        torch.cat([getattr(choice, part) for choice in choices], dim=1)
        for part in ("tokens", "totals", "ended", "ended_rows")
    )
    parents = torch.cat([choice.parents for choice in choices if choice.parents is not None], dim=1)
    return Choice(tokens, parents, totals, ended, ended_rows)
