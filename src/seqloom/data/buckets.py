"""Rows of like length in one batch, under a budget of elements: an epoch's batches as lists of row numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


class Buckets:
    """Batches of rows whose padded sides hold at most `elements` each (a single longer row is a batch of its own).

    `lengths` are one array a side, the one to sort by first. The batches of an epoch are a function of `seed` and the
    epoch: rows are shuffled, sorted by length within stretches of about a hundred batches, cut, and the batches
    shuffled again. `seed=None` keeps one order.
    """

    def __init__(self, lengths: tuple[NDArray[np.int64], ...], elements: int, seed: int | None) -> None:
        self._lengths, self._elements, self._seed = lengths, elements, seed
        self._plan: tuple[int, list[Rows]] = (-1, [])

    def epoch(self, number: int) -> list[Rows]:
        number = number if self._seed is not None else 0
        if self._plan[0] != number:
            self._plan = (number, self._make(number))
        return self._plan[1]

    def _make(self, epoch: int) -> list[Rows]:
        order = np.arange(len(self._lengths[0]))
        random = None if self._seed is None else np.random.default_rng((self._seed, epoch))
        if random:
            random.shuffle(order)
        mean = max(1.0, float(self._lengths[0].mean())) if len(order) else 1.0
        stretch = max(1, int(100 * self._elements / mean))
        plan: list[Rows] = []
        for start in range(0, len(order), stretch):
            rows = order[start : start + stretch]
            plan += self._cut(rows[np.lexsort([side[rows] for side in reversed(self._lengths)])])
        return [plan[i] for i in random.permutation(len(plan))] if random else plan

    def _cut(self, rows: Rows) -> list[Rows]:
        """Cuts sorted rows into batches under the budget."""
        longest = np.max([side[rows] for side in self._lengths], axis=0)
        cuts, first = [], 0
        while first < len(rows):
            widths = np.maximum.accumulate(longest[first:])
            fit = int(np.searchsorted(widths * np.arange(1, len(widths) + 1), self._elements, side="right"))
            cuts.append(rows[first : first + max(1, fit)])
            first += max(1, fit)
        return cuts
