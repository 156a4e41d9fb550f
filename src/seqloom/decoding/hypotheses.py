"""From the steps of a search to the hypotheses it found: ranked, then read back from their ends to their beginnings."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqloom.decoding.decode_loop import Sources, Step
from seqloom.decoding.search import Hypothesis, Search


class HypothesisTable(NamedTuple):
    """Hypotheses of all sources in one. `written`: tokens without the end; `row`: its place among the hypotheses alive
    after them; `length`: tokens with the end."""

    source: Int[NDArray[np.int64], " finds"]
    written: Int[NDArray[np.int64], " finds"]
    row: Int[NDArray[np.int64], " finds"]
    log_prob: Float[NDArray[np.floating], " finds"]
    ended: Bool[NDArray[np.bool_], " finds"]

    @property
    def length(self) -> Int[NDArray[np.int64], " finds"]:
        return self.written + self.ended

    def take(self, places: NDArray[np.integer] | NDArray[np.bool_]) -> HypothesisTable:
        return HypothesisTable(*(part[places] for part in self))  # type: ignore[arg-type]


def hypotheses(steps: list[Step], sources: Sources, search: Search) -> list[list[Hypothesis]]:
    """The `n_best` of each source, best first; those that were cut come after those that ended."""
    finds = [find for place, step in enumerate(steps) for find in _finds(place, step, sources)]
    everything = HypothesisTable(*(np.concatenate(parts) for parts in zip(*finds, strict=True)))
    best, scores = _best(everything, search)
    tokens, rows = _read_back(steps, best, len(sources.lengths))
    attention = _attention(steps, best, rows, len(sources.lengths)) if search.attention else None
    found: list[list[Hypothesis]] = [[] for _ in sources.lengths]
    for i, source in enumerate(best.source):
        hypothesis = Hypothesis(
            tokens[i, : best.written[i]].tolist(),
            float(best.log_prob[i]),
            float(scores[i]),
            None if attention is None else attention[i, : best.length[i], : sources.lengths[source]].copy(),
            bool(best.ended[i]),
        )
        found[source].append(hypothesis)
    return found


def _finds(place: int, step: Step, sources: Sources) -> tuple[HypothesisTable, HypothesisTable]:
    """What ended with the step after `place` tokens, and what was cut by it."""
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


def _best(finds: HypothesisTable, search: Search) -> tuple[HypothesisTable, NDArray[np.floating]]:
    """The `n_best` of each source in order, and their scores."""
    scores = finds.log_prob / finds.length**search.length_penalty
    order = np.lexsort((-scores, ~finds.ended, finds.source))
    finds, scores = finds.take(order), scores[order]
    rank = np.arange(len(order)) - np.searchsorted(finds.source, finds.source)
    return finds.take(rank < search.n_best), scores[rank < search.n_best]


def _read_back(
    steps: list[Step], finds: HypothesisTable, batch: int
) -> tuple[Int[NDArray[np.int64], "finds time"], Int[NDArray[np.int64], "finds time"]]:
    """The tokens, and at each step the row that the token was written after."""
    tokens = np.zeros((len(finds.source), len(steps)), np.int64)
    rows = np.zeros_like(tokens)
    row = finds.row.copy()
    for place in reversed(range(len(steps))):
        step = steps[place]
        # A hypothesis that ends here is read by the row that it ends.
        rows[:, place] = row
        on = np.flatnonzero(finds.written > place)
        at = _places(step, batch)[finds.source[on]]
        tokens[on, place] = _host(step.choice.tokens)[at, row[on]]
        if step.choice.parents is not None:
            row[on] = _host(step.choice.parents)[at, row[on]]
            rows[on, place] = row[on]
    return tokens, rows


def _attention(
    steps: list[Step], finds: HypothesisTable, rows: Int[NDArray[np.int64], "finds time"], batch: int
) -> Float[NDArray[np.float32], "finds time source"] | None:
    """What each step of each hypothesis looked at; None where the model has no attention."""
    first = steps[0].attention
    if first is None:
        return None
    looked = np.zeros((*rows.shape, first.shape[2]), np.float32)
    for place, step in enumerate(steps):
        on = np.flatnonzero(finds.length > place)
        at = _places(step, batch)[finds.source[on]]
        looked[on, place] = _host(cast(Tensor, step.attention).float())[at, rows[on, place]]
    return looked


def _places(step: Step, batch: int) -> Int[NDArray[np.int64], " batch"]:
    """Where each source of the batch stands in the step's tensors; those that were done before stand nowhere."""
    places = np.zeros(batch, np.int64)
    places[step.sources] = np.arange(len(step.sources))
    return places


def _host(tensor: Tensor) -> NDArray[Any]:
    return tensor.cpu().numpy()
