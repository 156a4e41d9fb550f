"""Ranks the hypotheses of a search, and reads them back from their last tokens to their first."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqloom.decoding.decode_loop import SearchStep, Sources
from seqloom.decoding.search_options import Search
from seqloom_portable.targets import Hypothesis


class HypothesisTable(NamedTuple):
    """The hypotheses of all sources. `written`: the number of tokens without the end; `row`: the row among the active
    hypotheses after them; `length`: the number of tokens with the end."""

    source: Int[NDArray[np.int64], " hypotheses"]
    written: Int[NDArray[np.int64], " hypotheses"]
    row: Int[NDArray[np.int64], " hypotheses"]
    log_prob: Float[NDArray[np.floating], " hypotheses"]
    ended: Bool[NDArray[np.bool_], " hypotheses"]

    @property
    def length(self) -> Int[NDArray[np.int64], " hypotheses"]:
        return self.written + self.ended

    def take(self, places: NDArray[np.integer] | NDArray[np.bool_]) -> HypothesisTable:
        return HypothesisTable(*(part[places] for part in self))  # type: ignore[arg-type]


def hypotheses(steps: list[SearchStep], sources: Sources, search: Search) -> list[list[Hypothesis]]:
    """The `n_best` hypotheses of each source, best first; truncated ones come after those that ended. Of a beam in
    groups, they are the best of each group, then the second best of each and so on, without equal ones; there are
    fewer if groups have found the same."""
    tables = [table for place, step in enumerate(steps) for table in _finished(place, step, sources)]
    finished = HypothesisTable(*(np.concatenate(parts) for parts in zip(*tables, strict=True)))
    best, scores = _best(finished, search)
    tokens, rows = _read_back(steps, best, len(sources.lengths))
    attention = _attention(steps, best, rows, len(sources.lengths)) if search.attention else None
    by_source: list[list[Hypothesis]] = [[] for _ in sources.lengths]
    for i, source in enumerate(best.source):
        if len(by_source[source]) == search.n_best:
            continue
        hypothesis = Hypothesis(
            tokens[i, : best.written[i]].tolist(),
            float(best.log_prob[i]),
            float(scores[i]),
            None if attention is None else attention[i, : best.length[i], : sources.lengths[source]].copy(),
            bool(best.ended[i]),
        )
        if search.diverse_groups == 1 or all(hypothesis.token_ids != h.token_ids for h in by_source[source]):
            by_source[source].append(hypothesis)
    return [sorted(of_source, key=lambda h: (not h.ended, -h.score)) for of_source in by_source]


def _finished(place: int, step: SearchStep, sources: Sources) -> tuple[HypothesisTable, HypothesisTable]:
    """The hypotheses that ended with the step after `place` tokens, and those that it truncates."""
    choice = step.choice
    log_probs = _host(choice.ended)
    source, rank = np.nonzero(log_probs > -np.inf)
    every = np.ones(len(source), dtype=bool)
    rows, written = _host(choice.ended_rows)[source, rank], np.full(len(source), place)
    ended = HypothesisTable(step.sources[source], written, rows, log_probs[source, rank], every)
    totals = _host(choice.totals)
    source, row = np.nonzero((totals > -np.inf) & (sources.longest[step.sources] == place + 1)[:, None])
    every, written = np.zeros(len(source), dtype=bool), np.full(len(source), place + 1)
    return ended, HypothesisTable(step.sources[source], written, row, totals[source, row], every)


def _best(table: HypothesisTable, search: Search) -> tuple[HypothesisTable, NDArray[np.floating]]:
    """The `n_best` of each source in order, and their scores; of a beam in groups all, in order of their rank within
    their group."""
    scores = table.log_prob / table.length.astype(np.float64) ** search.length_penalty
    if search.diverse_groups > 1:
        group = table.row // (search.beam_size // search.diverse_groups)
        order = np.lexsort((-scores, ~table.ended, group, table.source))
        of_group = (table.source * search.diverse_groups + group)[order]
        rank = np.arange(len(order)) - np.searchsorted(of_group, of_group)
        order = order[np.lexsort((-scores[order], rank, ~table.ended[order], table.source[order]))]
        return table.take(order), scores[order]
    order = np.lexsort((-scores, ~table.ended, table.source))
    table, scores = table.take(order), scores[order]
    rank = np.arange(len(order)) - np.searchsorted(table.source, table.source)
    return table.take(rank < search.n_best), scores[rank < search.n_best]


def _read_back(
    steps: list[SearchStep], table: HypothesisTable, batch: int
) -> tuple[Int[NDArray[np.int64], "hypotheses time"], Int[NDArray[np.int64], "hypotheses time"]]:
    """The tokens, and for each token the row of the hypothesis that it extended."""
    tokens = np.zeros((len(table.source), len(steps)), np.int64)
    rows = np.zeros_like(tokens)
    row = table.row.copy()
    for place in reversed(range(len(steps))):
        step = steps[place]
        # A hypothesis that ends here is read from the row that it ended.
        rows[:, place] = row
        alive = np.flatnonzero(table.written > place)
        places = _places(step, batch)[table.source[alive]]
        tokens[alive, place] = _host(step.choice.tokens)[places, row[alive]]
        if step.choice.parents is not None:
            row[alive] = _host(step.choice.parents)[places, row[alive]]
            rows[alive, place] = row[alive]
    return tokens, rows


def _attention(
    steps: list[SearchStep], table: HypothesisTable, rows: Int[NDArray[np.int64], "hypotheses time"], batch: int
) -> Float[NDArray[np.float32], "hypotheses time source"] | None:
    """The attention of each step of each hypothesis; None if the model has no attention."""
    first = steps[0].attention
    if first is None:
        return None
    weights = np.zeros((*rows.shape, first.shape[2]), np.float32)
    for place, step in enumerate(steps):
        alive = np.flatnonzero(table.length > place)
        places = _places(step, batch)[table.source[alive]]
        weights[alive, place] = _host(cast(Tensor, step.attention).float())[places, rows[alive, place]]
    return weights


def _places(step: SearchStep, batch: int) -> Int[NDArray[np.int64], " batch"]:
    """The position of each source of the batch in the step's tensors; finished sources have none."""
    places = np.zeros(batch, np.int64)
    places[step.sources] = np.arange(len(step.sources))
    return places


def _host(tensor: Tensor) -> NDArray[Any]:
    return tensor.cpu().numpy()
