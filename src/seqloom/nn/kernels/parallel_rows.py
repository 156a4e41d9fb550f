"""Compiled loops over the rows of a batch on several threads: the kernels release the interpreter's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch


def run_by_rows(batch: int, work: Callable[[int, int], None]) -> None:
    """Calls `work(first, last)` for as many ranges of rows as torch uses threads; the first in the calling thread."""
    threads = min(torch.get_num_threads(), batch)
    rows_per_thread = -(-batch // max(threads, 1))
    ranges = [(first, min(first + rows_per_thread, batch)) for first in range(0, batch, rows_per_thread)]
    others = [threading.Thread(target=work, args=part) for part in ranges[1:]]
    for other in others:
        other.start()
    work(*ranges[0])
    for other in others:
        other.join()
