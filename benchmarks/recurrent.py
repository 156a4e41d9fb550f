"""Claim: every recurrent cell runs at the speed of a library's best one, forward and backward, on a CPU.

For several (batch, time, hidden), in one run, in turns, medians: ours against torch's own modules, packed sequences for
unequal lengths, and a loop of torch calls for the variants that torch has not. All start from zeros. `of the roof` is
the rate of the multiplications that a row must do, as a share of what this machine reaches on one large multiplication
in the same run. At the end: one element a call, two layers of 128.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from peers.plain_lstm import PlainLSTM, Variant
from peers.race import machine, write_results
from seqloom.config import build
from seqloom.memory import keep_freed_memory
from seqloom.nn.layer import SequenceLayer, layers
from seqloom.nn.matrix_product import product

SHAPES = [(32, 50, 64), (64, 100, 128), (64, 100, 256), (20, 35, 650)]
Run = Callable[[], object]


class Row(NamedTuple):
    """One comparison: what of the multiplications of a plain LSTM it does, and the runs (ours first)."""

    name: str
    gates: int
    share: float
    ours: Run
    peer: Run


def stack(name: str, size: int, **settings: Any) -> SequenceLayer:
    own = {"hidden_size": size, "num_layers": 1, "initial_state": "zeros", **settings}
    return layers[name](size, build(layers[name].settings, own))


def both_passes(module: nn.Module, forward: Callable[[], Tensor], weight: Tensor) -> Run:
    parameters = list(module.parameters())

    def run() -> None:
        for parameter in parameters:
            parameter.grad = None
        (forward() * weight).sum().backward()  # type: ignore[no-untyped-call]

    return run


def rows_of(batch: int, length: int, hidden: int, hoisted: bool) -> list[Row]:
    inputs = torch.randn(batch, length, hidden, requires_grad=True)
    weight = torch.randn(batch, length, hidden)
    rows = []

    def add(name: str, gates: int, ours: nn.Module, peer: nn.Module) -> None:
        own = both_passes(ours, lambda: ours(inputs)[0], weight)
        other = both_passes(peer, lambda: _only_outputs(peer(inputs)), weight)
        rows.append(Row(name, gates, 1.0, own, other))

    add("lstm / nn.LSTM", 4, stack("lstm", hidden), nn.LSTM(hidden, hidden, batch_first=True))
    add("gru / nn.GRU", 3, stack("gru", hidden), nn.GRU(hidden, hidden, batch_first=True))
    add("rnn / nn.RNN", 1, stack("rnn", hidden), nn.RNN(hidden, hidden, batch_first=True))
    rows.append(_ragged(batch, length, hidden, inputs))
    variants: dict[Variant, dict[str, Any]] = {
        "layer norm": {"layer_norm": True},
        "peephole": {"peephole": True},
        "zoneout": {"zoneout": 0.1, "zoneout_cell": 0.1},
    }
    for variant, settings in variants.items():
        peer = PlainLSTM(hidden, hidden, variant, hoisted)
        add(f"lstm, {variant} / loop", 4, stack("lstm", hidden, **settings), peer)
    return rows


def _only_outputs(given: Any) -> Tensor:
    return given[0] if isinstance(given, tuple) else given


def _ragged(batch: int, length: int, hidden: int, inputs: Tensor) -> Row:
    """Both ways over rows with lengths uniform from a fifth of the longest."""
    lengths = torch.randint(length // 5, length + 1, (batch,))
    lengths[0] = length
    weight = torch.randn(batch, length, 2 * hidden)
    ours = stack("bilstm", hidden)
    peer = nn.LSTM(hidden, hidden, batch_first=True, bidirectional=True)

    def packed() -> Tensor:
        rows = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(peer(rows)[0], batch_first=True)[0]

    share = 2 * int(lengths.sum()) / (batch * length)
    own = both_passes(ours, lambda: ours(inputs, None, lengths)[0], weight)
    return Row("bilstm, lengths / packed nn.LSTM", 4, share, own, both_passes(peer, packed, weight))


def seconds(run: Run) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def roof() -> float:
    """Floating-point operations per second of one large multiplication."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return 2 * 1024**3 / median(seconds(lambda: product(a, b)) for _ in range(15))


def compare(batch: int, length: int, hidden: int, rounds: int, hoisted: bool) -> list[dict[str, Any]]:
    rows = rows_of(batch, length, hidden, hoisted)
    for row in rows:
        row.ours(), row.peer()
    ours: list[list[float]] = [[] for _ in rows]
    peers: list[list[float]] = [[] for _ in rows]
    roofs = []
    for turn in range(rounds):
        roofs.append(roof())
        for number, row in enumerate(rows):
            turns = [(ours, row.ours), (peers, row.peer)]
            for times, run in turns if turn % 2 else reversed(turns):  # none always comes first
                times[number].append(seconds(run))
    found = []
    for row, own, other in zip(rows, ours, peers, strict=True):
        # Forward, by inputs and by weights; of inputs and of the hidden state.
        operations = 3 * 2 * 2 * batch * length * hidden * hidden * row.gates * row.share
        found.append(
            {
                "shape": [batch, length, hidden],
                "row": row.name,
                "ours_ms": 1e3 * median(own),
                "peer_ms": 1e3 * median(other),
                "ratio": median(other) / median(own),
                "roof_share": operations / median(own) / median(roofs),
            }
        )
    return found


def online(rounds: int) -> dict[str, Any]:
    """Microseconds per element, one in each call: batch 1, two layers of 128."""
    ours = stack("lstm", 128, num_layers=2).eval()
    peer = nn.LSTM(128, 128, 2, batch_first=True).eval()
    element = torch.randn(1, 1, 128)
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    with torch.no_grad():
        for _ in range(rounds):
            for name, module in (("ours", ours), ("peer", peer)):
                state = None
                started = time.perf_counter()
                for _ in range(200):
                    _, state = module(element, state)
                times[name].append((time.perf_counter() - started) / 200)
    own, other = median(times["ours"][1:]), median(times["peer"][1:])
    return {"row": "online lstm / nn.LSTM", "ours_us": 1e6 * own, "peer_us": 1e6 * other, "ratio": other / own}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11, help="turns; medians are reported")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--hoisted", action="store_true", help="the loops make all products with the inputs beforehand")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    keep_freed_memory()  # as every run does; it is the same for both sides
    torch.manual_seed(1)
    print(f"{'batch, time, hidden':<20} {'':<34} {'ours ms':>9} {'peer ms':>9} {'ratio':>6} {'of the roof':>12}")
    found: list[dict[str, Any]] = []
    for shape in SHAPES:
        for row in compare(*shape, options.rounds, options.hoisted):
            found.append(row)
            print(
                f"{shape!s:<20} {row['row']:<34} {row['ours_ms']:9.2f} {row['peer_ms']:9.2f} "
                f"{row['ratio']:6.2f} {row['roof_share']:12.0%}",
                flush=True,
            )
    step = online(options.rounds)
    print(f"one element a call: {step['ours_us']:.0f} µs against {step['peer_us']:.0f} µs: {step['ratio']:.2f} times")
    write_results("recurrent", {"machine": machine(options.threads), "rows": found, "online": step})


if __name__ == "__main__":
    main()
