"""Beam search for targets that must contain given terms; hypotheses with more and with fewer terms share the beam.

The allocation is that of Post and Vilar (2018, "Fast lexically constrained decoding with dynamic beam allocation"),
section 3: candidates are grouped into banks by the number of term tokens they contain, and each bank keeps its best.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seqloom.data.tokenizer import EOS
from seqloom.decoding.decode_loop import Choice, Sources, Strategy
from seqloom.decoding.search_options import Search, Term

_IMPROBABLE = -1e4
"""The log-probability of a token of a term that the model, or a rule, excludes."""


class Written(NamedTuple):
    """For each source: the tokens of its hypotheses, padded with -1; the `n_best` scores of ended hypotheses; how many
    ended; the length at which its targets are truncated."""

    tokens: Int[Tensor, "batch rows longest"]
    scores: Float[Tensor, "batch n_best"]
    number: Int[Tensor, " batch"]
    longest: Int[Tensor, " batch"]


class Candidate(NamedTuple):
    """An extension of a hypothesis: its log-probability, the row that it extends, the new token, and the number of term
    tokens that it then contains."""

    log_prob: float
    row: int
    token: int
    met: int


class ConstrainedBeam(Strategy):
    """Keeps `beam_size` active hypotheses. A hypothesis ends only if it contains every term of `search.required`. When
    the remaining length is just enough for the missing terms, only their tokens are generated, so every target is
    complete."""

    first_rows = 1

    def __init__(self, search: Search) -> None:
        self.search, self.rows = search, search.beam_size

    def start(self, sources: Sources) -> Written:
        device, batch = sources.forced.device, len(sources.lengths)
        return Written(
            torch.full((batch, 1, int(sources.longest.max())), -1, device=device),
            torch.full((batch, self.search.n_best), -torch.inf, dtype=torch.float64, device=device),
            torch.zeros(batch, dtype=torch.long, device=device),
            torch.from_numpy(sources.longest).to(device),
        )

    def choose(
        self,
        log_probs: Float[Tensor, "batch rows vocab"],
        totals: Float[Tensor, "batch rows"],
        strategy_state: Written,
        length: int,
    ) -> tuple[Choice, Written, Bool[Tensor, " batch"]]:
        beam, written, device = self.search.beam_size, strategy_state, log_probs.device
        batch, width = log_probs.shape[0], written.tokens.shape[2]
        tokens, parents = torch.zeros((2, batch, beam), dtype=torch.long, device=device)
        alive, ended = torch.full((2, batch, beam), -torch.inf, dtype=totals.dtype, device=device)
        ended_rows = torch.zeros((batch, beam), dtype=torch.long, device=device)
        after = torch.full((batch, beam, width), -1, device=device)
        for source in range(batch):
            extended, ends = self._candidates(log_probs[source], totals[source], written, source, length)
            for place, candidate in enumerate(_shared_among_banks(extended, beam)):
                alive[source, place], parents[source, place] = candidate.log_prob, candidate.row
                tokens[source, place] = candidate.token
                after[source, place] = written.tokens[source, candidate.row]
                after[source, place, length - 1] = candidate.token
            complete = sorted((c.log_prob for c in extended if c.met == self.search.required_tokens), reverse=True)
            least = complete[beam - 1] if len(complete) >= beam else -torch.inf
            for place, candidate in enumerate([c for c in ends if c.log_prob > least][:beam]):
                ended[source, place], ended_rows[source, place] = candidate.log_prob, candidate.row
        penalty = float(length) ** self.search.length_penalty
        scores = torch.cat([written.scores, ended.double() / penalty], dim=1).topk(self.search.n_best).values
        number = written.number + (ended > -torch.inf).sum(1)
        best = alive.amax(1).double()
        done = (best == -torch.inf) | ((number >= beam) & (scores[:, -1] >= best / penalty))
        choice = Choice(tokens, parents, alive, ended, ended_rows)
        return choice, Written(after, scores, number, written.longest), done

    def _candidates(
        self, log_probs: Tensor, totals: Tensor, written: Written, source: int, length: int
    ) -> tuple[list[Candidate], list[Candidate]]:
        """The extensions of the hypotheses of a source, and those that end, best first."""
        extended, ends = [], []
        space = int(written.longest[source]) - (length - 1)  # including this token and the end
        for row, total in enumerate(totals.tolist()):
            if total == -torch.inf:
                continue
            before = written.tokens[source, row, : length - 1].tolist()
            missing = [term for term in self.search.required if not _has(before, term)]
            if not missing and float(log_probs[row, EOS]) > -torch.inf:
                ends.append(Candidate(total + float(log_probs[row, EOS]), row, EOS, self.search.required_tokens))
            for token, log_prob in self._next_tokens(log_probs[row], before, missing, space):
                met = _met([*before, token], self.search.required)
                extended.append(Candidate(total + log_prob, row, token, met))
        extended.sort(key=lambda candidate: -candidate.log_prob)
        return extended, sorted(ends, key=lambda candidate: -candidate.log_prob)

    def _next_tokens(
        self, log_probs: Tensor, before: list[int], missing: Sequence[Term], space: int
    ) -> Iterable[tuple[int, float]]:
        """The most probable next tokens of a hypothesis and those that continue a term; only the latter if the
        remaining length is just enough for the missing terms."""
        probable = log_probs.clone()
        probable[EOS] = -torch.inf
        best = probable.topk(min(self.search.beam_size, len(probable)))
        probable_tokens = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        candidates = {token: log_prob for token, log_prob in probable_tokens if log_prob > -torch.inf}
        if len(candidates) <= 1 and int((probable > -torch.inf).sum()) == 1:
            return candidates.items()  # a token of the prefix
        continuations = [
            (form[_begun(before, form)], _begun(before, form)) for form in (_form(before, t) for t in missing)
        ]
        if missing and sum(len(_form(before, term)) for term in missing) + 1 >= space:
            most = max(begun for _, begun in continuations)
            candidates, continuations = {}, [pair for pair in continuations if pair[1] == most]
        return (candidates | {token: max(float(log_probs[token]), _IMPROBABLE) for token, _ in continuations}).items()


def _shared_among_banks(candidates: Sequence[Candidate], beam: int) -> list[Candidate]:
    """The best candidate of each bank, then the second best of each, beginning with the bank with most term tokens.
    `candidates` are in order, best first."""
    banks: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        banks.setdefault(candidate.met, []).append(candidate)
    in_order = [banks[met] for met in sorted(banks, reverse=True)]
    ranked = [bank[rank] for rank in range(beam) for bank in in_order if rank < len(bank)]
    return ranked[:beam]


def _form(before: Sequence[int], term: Term) -> tuple[int, ...]:
    """The tokens of a term, at the beginning of a text or after other tokens."""
    return term.within if before else term.first


def _begun(before: Sequence[int], form: Sequence[int]) -> int:
    """How many of the first tokens of `form` are at the end of `before`."""
    lengths = range(min(len(form) - 1, len(before)), 0, -1)
    return next((length for length in lengths if tuple(before[-length:]) == tuple(form[:length])), 0)


def _has(tokens: Sequence[int], term: Term) -> bool:
    if tuple(tokens[: len(term.first)]) == term.first:
        return True
    size = len(term.within)
    return any(tuple(tokens[i : i + size]) == term.within for i in range(len(tokens) - size + 1))


def _met(tokens: Sequence[int], terms: Sequence[Term]) -> int:
    """The number of term tokens in a hypothesis: those of complete terms, and of the term that it has begun."""
    complete = sum(len(term.within) for term in terms if _has(tokens, term))
    return complete + max((_begun(tokens, term.within) for term in terms if not _has(tokens, term)), default=0)
