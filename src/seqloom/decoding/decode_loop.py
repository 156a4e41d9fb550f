"""Generates targets one token at a time, for all sources of a batch at once; a strategy chooses the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqloom.data.tokenizer import EOS, SOS
from seqloom.decoding.candidates import restrict
from seqloom.decoding.search_options import Search, Term
from seqloom.decoding.token_rules import Forbidden
from seqloom.memory import check_memory
from seqloom.models.encoder_decoder import DecodesNext
from seqloom.nn.layer import State, map_state, select_rows

_DROPPED_TOGETHER = 1 / 8
"""Rows of finished sources are removed from the batch when they are this fraction of it; a removal copies the state."""

_COPIES = 3
"""Arrays of the size of all log-probabilities that are in memory in a step."""


class Sources(NamedTuple):
    """A batch of encoded sources. `lengths`: in elements; `longest`: the length at which each target is truncated;
    `forced`: the tokens that each target begins with, padded with -1; `keys`: a number for each source, equal for equal
    sources; `shortest`: the length before which no target ends; `required`: the terms that its targets contain;
    `forbidden`: what they never contain."""

    encoded: State
    lengths: NDArray[np.int64]
    longest: NDArray[np.int64]
    forced: Int[Tensor, "batch prefix"]
    keys: list[int]
    shortest: Int[Tensor, " batch"]
    required: Sequence[tuple[Term, ...]]
    forbidden: Forbidden


class Choice(NamedTuple):
    """The tokens that a step of the search chose.

    `tokens`: the new last token of each active hypothesis; `parents`: the hypothesis that it extends (None: itself);
    `totals`: its log-probability, -inf for an inactive one. `ended`: the log-probability of each hypothesis that ended
    in this step, -inf if none did; `ended_rows`: the hypothesis that it extended.
    """

    tokens: Int[Tensor, "batch width"]
    parents: Int[Tensor, "batch width"] | None
    totals: Float[Tensor, "batch width"]
    ended: Float[Tensor, "batch ends"]
    ended_rows: Int[Tensor, "batch ends"]


class SearchStep(NamedTuple):
    """A choice, the positions in the batch of its sources, and the attention (batch, rows, source)."""

    sources: NDArray[np.int64]
    choice: Choice
    attention: Tensor | None


class Strategy(Protocol):
    """Chooses tokens. Its own state of each source is a state (tensors, batch first)."""

    first_rows: int
    """The number of hypotheses for each source that the first step extends."""

    rows: int
    """The largest number of active hypotheses for each source."""

    def start(self, sources: Sources) -> State: ...

    def pruning_threshold(
        self, log_probs: Float[Tensor, "batch rows some"], totals: Float[Tensor, "batch rows"]
    ) -> Float[Tensor, "batch rows"]:
        """Given the log-probabilities of some tokens: the value below which no other token of a row can be chosen. A
        strategy that may choose any token does not override this."""
        del log_probs
        return torch.full_like(totals, -torch.inf)

    def choose(
        self,
        log_probs: Float[Tensor, "batch rows vocab"],
        totals: Float[Tensor, "batch rows"],
        strategy_state: State,
        length: int,
    ) -> tuple[Choice, State, Bool[Tensor, " batch"]]:
        """The choice at the step that makes targets `length` long, the strategy's new state, and which sources are
        finished.

        `log_probs` may be overwritten."""
        ...


def decode(model: DecodesNext, sources: Sources, strategy: Strategy, search: Search) -> list[SearchStep]:
    """The steps until every source is finished or truncated. `search` has the tokens that are never generated, the
    rules, and whether attention is kept."""
    encoded, batch = sources.encoded, len(sources.lengths)
    device = sources.forced.device
    state = model.initial_state(encoded, strategy.first_rows)
    tokens = torch.full((batch, strategy.first_rows), SOS, device=device)
    totals = torch.zeros(tokens.shape, device=device)
    longest, forced = torch.from_numpy(sources.longest).to(device), sources.forced
    strategy_state, excluded = strategy.start(sources), torch.tensor(search.never, device=device)
    active, steps = np.arange(batch), list[SearchStep]()
    shortest, last_shortest = sources.shortest, int(sources.shortest.max())
    forbidden, has_rules = sources.forbidden, bool(search.rules or sources.forbidden.sequences)
    history = tokens.new_zeros((*tokens.shape, 0))
    for place in range(int(sources.longest.max())):
        free = place >= forced.shape[1]
        ruled = free and (has_rules or place < last_shortest)
        threshold = partial(_threshold, strategy, totals, excluded) if free and not ruled else None
        log_probs, state, attention = model.decode_next(tokens, state, encoded, threshold)
        if place == 0:
            _check_memory(strategy, log_probs)
        log_probs = restrict(log_probs, excluded, None if free else forced[:, place])
        if ruled:
            log_probs = forbidden.apply(search.rules.apply(log_probs, history, EOS), history)
            log_probs[:, :, EOS] = log_probs[:, :, EOS].masked_fill((shortest > place)[:, None], -torch.inf)
        choice, strategy_state, done = strategy.choose(log_probs, totals, strategy_state, place + 1)
        steps.append(SearchStep(active, choice, attention if search.attention else None))
        history = _written(history, choice) if has_rules else history
        done = done | (longest <= place + 1)
        # A finished source stays in the batch for some steps, without active hypotheses.
        tokens, totals = choice.tokens, choice.totals.masked_fill(done[:, None], -torch.inf)
        going_on = ~done.cpu().numpy()  # the only time in a step that the host waits for the device
        if not going_on.any():
            break
        kept_rows = None
        if len(active) - going_on.sum() >= _DROPPED_TOGETHER * len(active):
            active = active[going_on]
            kept_rows = torch.from_numpy(np.flatnonzero(going_on)).to(device)
            encoded = select_rows(encoded, kept_rows)
            forbidden = forbidden._replace(applies=forbidden.applies[kept_rows])
            tokens, totals, longest, shortest, forced, history, strategy_state = select_rows(
                (tokens, totals, longest, shortest, forced, history, strategy_state), kept_rows
            )
        state = _state_of_choice(state, log_probs.shape[1], choice.parents, kept_rows)
    return steps


def _written(history: Int[Tensor, "batch rows time"], choice: Choice) -> Int[Tensor, "batch width longer"]:
    """The tokens of each active hypothesis after a choice."""
    if choice.parents is not None:
        history = history.gather(1, choice.parents[:, :, None].expand(-1, -1, history.shape[2]))
    return torch.cat([history, choice.tokens[:, :, None]], dim=2)


def _check_memory(strategy: Strategy, log_probs: Float[Tensor, "batch rows vocab"]) -> None:
    """Raises an error if the hypotheses do not fit into memory, once the size of the vocabulary is known."""
    batch, _, vocab = log_probs.shape
    num_bytes = batch * strategy.rows * vocab * log_probs.element_size() * _COPIES
    if not log_probs.is_cuda:
        check_memory(num_bytes, {"hypotheses a source": strategy.rows, "vocabulary": vocab})


def _threshold(strategy: Strategy, totals: Tensor, excluded: Tensor, log_probs: Tensor) -> Float[Tensor, " rows"]:
    """The pruning threshold for the output layer: that of the strategy, over the allowed tokens."""
    some = log_probs.view(*totals.shape, -1)
    allowed = some.index_fill(2, excluded[excluded < some.shape[2]], -torch.inf)
    return strategy.pruning_threshold(allowed, totals).flatten()


def _state_of_choice(state: State, rows: int, parents: Tensor | None, kept_rows: Tensor | None) -> State:
    """The state of each active hypothesis, from the states of the `rows` hypotheses of each source that they extend."""
    if parents is None:
        if kept_rows is None:
            return state
        return map_state(
            lambda part: part.view(-1, rows, *part.shape[1:]).index_select(0, kept_rows).flatten(0, 1), state
        )
    sources = torch.arange(len(parents), device=parents.device)
    if kept_rows is not None:
        sources, parents = kept_rows, parents[kept_rows]
    return select_rows(state, (sources[:, None] * rows + parents).flatten())
