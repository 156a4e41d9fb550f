"""How long a model takes for one more element when it is used online."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import torch

from seqloom.data.tokenizer import EOS
from seqloom.models.language_model import PredictsNext
from seqloom.processors import num_threads, set_num_threads
from seqloom.run import load


def online_milliseconds(run: Path, threads: int) -> float | None:
    """Milliseconds a token of a trained run on the CPU; None where its model does not predict the next element."""
    before, of_loops = torch.get_num_threads(), num_threads()
    try:
        model = load(run, device="cpu", threads=threads).model
        if not hasattr(model, "next_log_probs"):
            return None
        return milliseconds_per_token(model)
    finally:
        torch.set_num_threads(before)
        set_num_threads(of_loops)


def milliseconds_per_token(model: PredictsNext, steps: int = 200, warm_up: int = 20) -> float:
    """The median over `steps`: one token in, the next one's whole distribution out, the state carried.

    The tokens are drawn from the model itself (outside the clock), so that counts are looked up as in real text.
    """
    generator = torch.Generator().manual_seed(1)
    state, taken = model.initial_state(1), []
    token = torch.tensor([[EOS]])
    for _ in range(warm_up + steps):
        started = time.perf_counter()
        log_probs, state = model.next_log_probs(token, state)
        taken.append(time.perf_counter() - started)
        token = torch.multinomial(log_probs.float().exp(), 1, generator=generator)
    return 1000 * statistics.median(taken[warm_up:])
