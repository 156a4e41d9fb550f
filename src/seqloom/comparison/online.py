"""The online latency of a model: the time for one more token when tokens arrive one at a time."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import torch

from seqloom.comparison.examples import opened
from seqloom.data.tokenizer import EOS
from seqloom.models.language_model import PredictsNext


def online_milliseconds(run: Path, threads: int) -> float | None:
    """Milliseconds per token of a run on the CPU; None if its model does not predict the next token."""
    with opened(run, threads) as loaded:
        model = loaded.model
        return milliseconds_per_token(model) if hasattr(model, "next_log_probs") else None


def milliseconds_per_token(model: PredictsNext, steps: int = 200, warm_up: int = 20) -> float:
    """The median over `steps` of the time to read one token and to compute the distribution of the next token.

    The state is carried from step to step. The tokens are sampled from the model, outside the measured time, so that an
    n-gram model finds contexts as in real text.
    """
    generator = torch.Generator().manual_seed(1)
    state, seconds = model.initial_state(1), []
    token = torch.tensor([[EOS]])
    for _ in range(warm_up + steps):
        started = time.perf_counter()
        log_probs, state = model.next_log_probs(token, state)
        seconds.append(time.perf_counter() - started)
        token = torch.multinomial(log_probs.float().exp(), 1, generator=generator)
    return 1000 * statistics.median(seconds[warm_up:])
