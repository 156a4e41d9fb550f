"""The types that cells, backends and kernels share."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

States = tuple[Tensor, ...]
"""The states of a cell, each (batch, size): the hidden state first, then the cell state where there is one."""

Weights = tuple[Tensor | None, ...]
"""The recurrent matrix (gates, hidden), the bias (gates), then further weights of the cell; None where one is absent
or switched off."""


class ScheduledStep(NamedTuple):
    """One step over the rows that still have elements.

    `number`: the position of the step; `rows`: how many rows take part, always the first ones of the schedule. Their
    elements begin at `start` among all elements. In the buffer of a state, which begins with the initial states, their
    previous states begin at `previous` and their new states at `current`.
    """

    number: int
    rows: int
    start: int
    previous: int
    current: int
