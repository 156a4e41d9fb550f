"""Claim: a Neural Turing Machine trains at least ten times as many sequences per second on copy as the straightforward
way, one sequence at a time with a loop over the steps and a shift of each sample by itself.

Both train (forward, backward, clipping, a step of Adam) on the same sequences of 1 to 20 vectors, with a memory of
128 x 20, an LSTM of 100 and one head of each kind: in one run, in turns, medians. Ours with one sequence an update too,
which is how it learns from the fewest.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from peers.plain_ntm import PlainNTM
from peers.race import machine, write_results
from seqloom.data.batches import Batch
from seqloom.data.synthetic import AlgorithmCodec, SyntheticTrainLoader
from seqloom.memory import keep_freed_memory
from seqloom.models.bit_predictor import BitPredictor
from seqloom.nn.layers.ntm import NTM, NTMSettings

Predict = Callable[[Batch], Tensor]


class Racer:
    """A model in training: its rate over some batches."""

    def __init__(self, model: nn.Module, loss: Predict, batch_size: int) -> None:
        self.model, self.loss = model, loss
        self.loader = SyntheticTrainLoader(AlgorithmCodec.parse("copy").algorithm(), batch_size, seed=1)
        self.optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=True)
        self.taken = 0

    def sequences_per_second(self, updates: int) -> float:
        started = time.perf_counter()
        for _ in range(updates):
            batch = self.loader.batch(0, self.taken)
            self.taken += 1
            self.loss(batch).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
        return updates * self.loader.batch_size / (time.perf_counter() - started)


def ours(batch_size: int) -> Racer:
    model = BitPredictor(NTM, NTMSettings(), 9, 8)

    def loss(batch: Batch) -> Tensor:
        assert batch.scored is not None
        return model.loss(batch.inputs, batch.targets, batch.scored, batch.lengths) / batch.num_rows

    return Racer(model, loss, batch_size)


def peer() -> Racer:
    model = PlainNTM(9, 8, 100, 128, 20)

    def loss(batch: Batch) -> Tensor:
        logits = model(batch.inputs)[batch.scored]
        return F.binary_cross_entropy_with_logits(logits, batch.targets[batch.scored], reduction="sum")

    return Racer(model, loss, batch_size=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="turns; medians are reported")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    keep_freed_memory()  # as every run does; it is the same for both sides
    torch.manual_seed(1)
    racers = {
        "ours, 16 an update": (ours(16), 20),
        "ours, 1 an update": (ours(1), 60),
        "peer, 1 an update": (peer(), 8),
    }
    rates: dict[str, list[float]] = {name: [] for name in racers}
    for _ in range(options.rounds + 1):
        for name, (racer, updates) in racers.items():
            rates[name].append(racer.sequences_per_second(updates))
    found: dict[str, Any] = {name: median(of[1:]) for name, of in rates.items()}  # the first turn compiles
    other = found["peer, 1 an update"]
    for name, rate in found.items():
        print(f"{name:<20} {rate:8.1f} sequences/s {rate / other:6.1f} times")
    ratio = found["ours, 16 an update"] / other
    print(f"ratio: {ratio:.1f} (at least 10 wanted)")
    write_results("ntm", {"machine": machine(options.threads), "sequences_per_second": found, "ratio": ratio})


if __name__ == "__main__":
    main()
