"""Beam search for targets that must contain given terms; hypotheses with more and with fewer terms share the beam.

The allocation is that of Post and Vilar (2018, "Fast lexically constrained decoding with dynamic beam allocation"),
section 3: candidates are grouped into banks by the number of term tokens they contain, and each bank keeps its best.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.tokenizer import EOS
from seqloom.decoding.decode_loop import Choice, Sources, Strategy
from seqloom.decoding.search_options import Search, Term

_IMPROBABLE = -1e4
"""The log-probability of a token of a term that the model, or a rule, excludes."""


class Written(NamedTuple):
    """For each source: its position in the batch at the start; the tokens of its hypotheses, padded with -1; the
    `n_best` scores of ended hypotheses; how many ended; the length at which its targets are truncated."""

    source: Int[Tensor, " batch"]
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


class NextTokens(NamedTuple):
    """What the model says of the next token of the hypotheses of a source: the log-probabilities (rows, vocab), and the
    most probable tokens of each row that are not the end, with their log-probabilities."""

    log_probs: NDArray[np.floating]
    best: list[list[int]]
    best_log_probs: list[list[float]]


class ConstrainedBeam(Strategy):
    """Keeps `beam_size` active hypotheses. A hypothesis ends only if it contains every term that its source requires.
    When the remaining length is just enough for the missing terms, only their tokens are generated, so every target is
    complete."""

    first_rows = 1

    def __init__(self, search: Search) -> None:
        self.search, self.rows = search, search.beam_size
        self.required: Sequence[tuple[Term, ...]] = ()

    def start(self, sources: Sources) -> Written:
        device, batch = sources.forced.device, len(sources.lengths)
        self.required = sources.required
        return Written(
            torch.arange(batch, device=device),
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
        tokens, parents, ended_rows = np.zeros((3, batch, beam), np.int64)
        alive, ended = np.full((2, batch, beam), -np.inf)
        after = np.full((batch, beam, width), -1)
        before, longest, numbers = (part.cpu().numpy() for part in (written.tokens, written.longest, written.source))
        by_source = zip(_next_tokens(log_probs, beam), totals.tolist(), strict=True)
        for place, (following, source_totals) in enumerate(by_source):
            terms = self.required[numbers[place]]
            rows = before[place, :, : length - 1].tolist()
            space = int(longest[place]) - (length - 1)  # including this token and the end
            extended, ends = _candidates(following, source_totals, rows, terms, space)
            for rank, candidate in enumerate(_shared_among_banks(extended, beam)):
                alive[place, rank], parents[place, rank] = candidate.log_prob, candidate.row
                tokens[place, rank] = candidate.token
                after[place, rank] = before[place, candidate.row]
                after[place, rank, length - 1] = candidate.token
            num_term_tokens = sum(len(term.within) for term in terms)
            complete = sorted((c.log_prob for c in extended if c.met == num_term_tokens), reverse=True)
            least = complete[beam - 1] if len(complete) >= beam else -np.inf
            for rank, candidate in enumerate([c for c in ends if c.log_prob > least][:beam]):
                ended[place, rank], ended_rows[place, rank] = candidate.log_prob, candidate.row
        choice = Choice(*(torch.from_numpy(part).to(device) for part in (tokens, parents, alive, ended, ended_rows)))
        choice = choice._replace(totals=choice.totals.to(totals.dtype), ended=choice.ended.to(totals.dtype))
        return self._after(choice, written, torch.from_numpy(after).to(device), length)

    def _after(
        self, choice: Choice, written: Written, after: Int[Tensor, "batch beam longest"], length: int
    ) -> tuple[Choice, Written, Bool[Tensor, " batch"]]:
        """The choice, the state after it, and which sources are finished."""
        penalty = float(length) ** self.search.length_penalty
        scores = torch.cat([written.scores, choice.ended.double() / penalty], dim=1).topk(self.search.n_best).values
        number = written.number + (choice.ended > -torch.inf).sum(1)
        best = choice.totals.amax(1).double()
        done = (best == -torch.inf) | ((number >= self.search.beam_size) & (scores[:, -1] >= best / penalty))
        return choice, Written(written.source, after, scores, number, written.longest), done


def _next_tokens(log_probs: Float[Tensor, "batch rows vocab"], beam: int) -> Iterator[NextTokens]:
    """Yields what the model says of the next tokens of each source."""
    numbers = log_probs.cpu().numpy()
    probable = log_probs.clone()
    probable[:, :, EOS] = -torch.inf
    best = probable.topk(min(beam, probable.shape[2]))
    yield from map(NextTokens, numbers, best.indices.tolist(), best.values.tolist())


def _candidates(
    following: NextTokens, totals: Sequence[float], rows: Sequence[list[int]], terms: tuple[Term, ...], space: int
) -> tuple[list[Candidate], list[Candidate]]:
    """The extensions of the hypotheses of a source, and those that end, best first. `rows`: the tokens of the
    hypotheses; `space`: the tokens for which there is room, the end included."""
    extended, ends = [], []
    num_term_tokens = sum(len(term.within) for term in terms)
    for row, (total, before) in enumerate(zip(totals, rows, strict=True)):
        if total == -np.inf:
            continue
        missing = [term for term in terms if not _has(before, term)]
        log_probs = following.log_probs[row]
        if not missing and log_probs[EOS] > -np.inf:
            ends.append(Candidate(total + float(log_probs[EOS]), row, EOS, num_term_tokens))
        probable = zip(following.best[row], following.best_log_probs[row], strict=True)
        for token, log_prob in _extensions(log_probs, dict(probable), before, missing, space):
            extended.append(Candidate(total + log_prob, row, token, _met(before, token, terms)))
    extended.sort(key=lambda candidate: -candidate.log_prob)
    return extended, sorted(ends, key=lambda candidate: -candidate.log_prob)


def _extensions(
    log_probs: NDArray[np.floating],
    probable: Mapping[int, float],
    before: list[int],
    missing: Sequence[Term],
    space: int,
) -> Iterable[tuple[int, float]]:
    """The most probable next tokens of a hypothesis and those that continue a term; only the latter if the remaining
    length is just enough for the missing terms."""
    candidates = {token: log_prob for token, log_prob in probable.items() if log_prob > -np.inf}
    if len(candidates) <= 1 and np.isfinite(np.delete(log_probs, EOS)).sum() == 1:
        return candidates.items()  # a token of the prefix
    forms = [_form(before, term) for term in missing]
    continuations = [(form[begun], begun) for form in forms for begun in [_begun(before, form)]]
    if missing and sum(map(len, forms)) + 1 >= space:
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


def _met(before: list[int], token: int, terms: Sequence[Term]) -> int:
    """The number of term tokens in a hypothesis after its next token: those of complete terms, and of the term that it
    has begun."""
    tokens = [*before, token]
    complete = sum(len(term.within) for term in terms if _has(tokens, term))
    return complete + max((_begun(tokens, term.within) for term in terms if not _has(tokens, term)), default=0)
