"""Beam search: keeps the most probable hypotheses, for all sources of a batch at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqloom.data.tokenizer import EOS
from seqloom.decoding.candidates import most_probable
from seqloom.decoding.decode_loop import Choice, Sources
from seqloom.decoding.search_options import Search


class Ended(NamedTuple):
    """The ended hypotheses of each source: the `n_best` scores, -inf if there are fewer; their `number`. `longest`:
    length^α of the longest target allowed, which bounds the score of active hypotheses. In float64, since length to the
    power of α overflows float32."""

    scores: Float[Tensor, "batch n_best"]
    number: Int[Tensor, " batch"]
    longest: Float[Tensor, " batch"]


class BeamSearch:
    """Keeps `beam_size` active hypotheses. A hypothesis ends only if it is among the `beam_size` most probable
    extensions; the active hypotheses below it move up. The `n_best` ended hypotheses have the best length-normalised
    scores.

    A source is finished when `beam_size` hypotheses have ended and no active one ranks above the best. The first
    condition alone lets improbable early ends displace better, longer targets; the second alone favours short ones
    (LOG.md). The `exact` bound uses that a log-probability only falls and that the longest target divides it by the
    most; with it and a beam that keeps every prefix, the search is exhaustive.
    """

    first_rows = 1  # several equal hypotheses would be extended in the same way

    def __init__(self, search: Search) -> None:
        self.search, self.rows = search, search.beam_size

    def start(self, sources: Sources) -> Ended:
        device, batch = sources.forced.device, len(sources.lengths)
        return Ended(
            torch.full((batch, self.search.n_best), -torch.inf, dtype=torch.float64, device=device),
            torch.zeros(batch, dtype=torch.long, device=device),
            torch.from_numpy(sources.longest).to(device, torch.float64) ** self.search.length_penalty,
        )

    def pruning_threshold(
        self, log_probs: Float[Tensor, "batch rows some"], totals: Float[Tensor, "batch rows"]
    ) -> Float[Tensor, "batch rows"]:
        log_probs[:, :, EOS] = -torch.inf  # an end does not take the place of an active hypothesis
        width = min(self.search.beam_size, log_probs[0].numel())
        return most_probable(log_probs, totals, width).log_probs[:, -1:] - totals

    def choose(
        self,
        log_probs: Float[Tensor, "batch rows vocab"],
        totals: Float[Tensor, "batch rows"],
        strategy_state: Ended,
        length: int,
    ) -> tuple[Choice, Ended, Bool[Tensor, " batch"]]:
        beam, search = self.search.beam_size, self.search
        ends = totals + log_probs[:, :, EOS]
        log_probs[:, :, EOS] = -torch.inf
        width = min(beam, log_probs[0].numel())
        alive = most_probable(log_probs, totals, width)
        best, places = torch.cat([alive.log_probs, ends], dim=1).topk(min(beam, width + ends.shape[1]))
        ended = best.where(places >= width, -torch.inf)
        new_scores = ended.double() / float(length) ** search.length_penalty
        scores = torch.cat([strategy_state.scores, new_scores], dim=1).topk(search.n_best).values
        number = strategy_state.number + (ended > -torch.inf).sum(1)
        best_alive = alive.log_probs[:, 0].double()
        done = scores[:, -1] >= best_alive / strategy_state.longest
        if not search.exact:
            done |= (number >= beam) & (scores[:, -1] >= best_alive / float(length) ** search.length_penalty)
        choice = Choice(alive.tokens, alive.rows, alive.log_probs, ended, (places - width).clamp(min=0))
        return choice, Ended(scores, number, strategy_state.longest), done
