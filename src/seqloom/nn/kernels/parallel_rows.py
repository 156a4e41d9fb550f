"""Compiled loops over the rows of a batch on several threads: the kernels run without the interpreter's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch


def over_rows(batch: int, work: Callable[[int, int], None]) -> None:
    """`work(first, last)` over as many ranges of rows as torch uses threads, the first in the caller's own."""
    threads = min(torch.get_num_threads(), batch)
    step = -(-batch // max(threads, 1))
    ranges = [(first, min(first + step, batch)) for first in range(0, batch, step)]
    others = [threading.Thread(target=work, args=part) for part in ranges[1:]]
    for other in others:
        other.start()
    work(*ranges[0])
    for other in others:
        other.join()
