"""Claim: beside other work, a training keeps the speed that its share of the processors allows.

The training of an LSTM with as many threads as there are processors, in which threads sleep on a busy machine
(`WaitPolicy`); the same without it; and with one thread. In turns: quiet, beside one and two processes that only
compute, and quiet again. This script starts and ends them. The rate is that of a few seconds, after a few to adapt;
medians of several rounds. A turn waits until the machine is quiet; `foreign` is how many processors other programs took
all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from peers.race import MOBY_DICK, machine, write_results

TRAININGS = ("threads that adapt", "threads that spin", "one thread")
SITUATIONS = (("quiet", 0), ("beside one", 1), ("beside two", 2), ("quiet again", 0))
SETTLE_SECONDS, WINDOW_SECONDS, AGAIN_SECONDS = 3.0, 4.0, 7.0
LONGEST_WAIT, LITTLE = 20.0, 0.1
"""Seconds to wait until other programs take no more than so many processors."""
BUSY = [sys.executable, "-c", "while True: pass"]
_TICKS = os.sysconf("SC_CLK_TCK")


class Turn(NamedTuple):
    """Targets per second; the `processors` that the training got, and those that `foreign` programs took."""

    rate: float
    processors: float
    foreign: float


def train(folder: str, kind: str, processors: int) -> None:
    """In a process of its own: trains without end, and prints the time and the number of targets after each update."""
    import seqloom
    from seqloom.processors import WaitPolicy
    from seqloom.training.gradients import GradientTrainer

    step = GradientTrainer.step

    def counted_step(trainer: GradientTrainer, progress: Any, fraction: float) -> None:
        step(trainer, progress, fraction)
        print(time.monotonic(), progress.targets, flush=True)

    GradientTrainer.step = counted_step  # type: ignore[method-assign, assignment]
    if kind == "threads that spin":
        WaitPolicy.adapt = lambda self: None  # type: ignore[method-assign]  # noqa: ARG005
    settings = {"tokenizer.kind": "bpe", "tokenizer.vocab_size": 4000}
    seqloom.train(
        *("language-model", str(MOBY_DICK)), model="lstm", minutes=600, out=folder, quiet=True, settings=settings,
        threads=1 if kind == "one thread" else processors,
    )  # fmt: skip


class Training:
    """A training in another process."""

    def __init__(self, kind: str, folder: Path, processors: int) -> None:
        self._log = folder.with_suffix(".log")
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        command = [sys.executable, __file__, "--train", kind, "--folder", str(folder), "--processors", str(processors)]
        with self._log.open("wb") as stream:
            self.process = subprocess.Popen(command, stdout=stream, stderr=subprocess.DEVNULL, env=environment)
        while len(self._updates()) < 2:
            if self.process.poll() is not None:
                raise SystemExit("the training ended")
            time.sleep(0.2)

    def _updates(self) -> list[tuple[float, int]]:
        """The time and the number of targets of each update."""
        lines = self._log.read_text().split("\n")[:-1]
        return [(float(line.split()[0]), int(line.split()[1])) for line in lines]

    def turn(self, others: Sequence[subprocess.Popen[bytes]], settle_seconds: float) -> Turn:
        """Measures the training beside the `others`, when it has adapted to them."""
        processes = [self.process, *others]
        for process in others:
            process.send_signal(signal.SIGCONT)
        try:
            time.sleep(settle_seconds)
            began, taken, all_taken = time.monotonic(), [processor_seconds(p.pid) for p in processes], busy_seconds()
            time.sleep(WINDOW_SECONDS)
            wall = time.monotonic() - began
            spent = [processor_seconds(p.pid) - before for p, before in zip(processes, taken, strict=True)]
            foreign = busy_seconds() - all_taken - sum(spent)
        finally:
            for process in others:
                process.send_signal(signal.SIGSTOP)
        (first, targets_before), *_, (last, targets) = [u for u in self._updates() if u[0] >= began - 1.0]
        return Turn((targets - targets_before) / (last - first), spent[0] / wall, max(foreign, 0.0) / wall)


def processor_seconds(process: int) -> float:
    """The processor time that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def busy_seconds() -> float:
    """The processor time that all programs have taken: all but idle and waiting for disks."""
    times = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(times) - times[3] - times[4]) / _TICKS


def wait_for_quiet(process: int | None = None) -> None:
    """Waits until programs other than `process` take hardly any processor time, but not long."""
    end = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < end:
        before, own = busy_seconds(), processor_seconds(process) if process else 0.0
        time.sleep(1.0)
        if busy_seconds() - before - (processor_seconds(process) - own if process else 0.0) < LITTLE:
            return


@contextmanager
def stopped_processes(number: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that only compute, and are stopped."""
    processes = [subprocess.Popen(BUSY) for _ in range(number)]
    try:
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure(processors: int, rounds: int, seconds: float) -> dict[str, dict[str, list[Turn]]]:
    """The turns of each training in each situation. No round begins after so many seconds."""
    turns: dict[str, dict[str, list[Turn]]] = {kind: {name: [] for name, _ in SITUATIONS} for kind in TRAININGS}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, stopped_processes(2) as others:
        for number in range(rounds):
            for kind in TRAININGS:
                if number and time.monotonic() - began > seconds:
                    return turns
                wait_for_quiet()
                training = Training(kind, Path(folder) / f"{kind} {number}", processors)
                try:
                    for name, busy in SITUATIONS:
                        wait_for_quiet(training.process.pid)
                        settle_seconds = AGAIN_SECONDS if name == "quiet again" else SETTLE_SECONDS
                        turn = training.turn(others[:busy], settle_seconds)
                        turns[kind][name].append(turn)
                        print(f"{kind:<20}{name:<14}{turn.rate:9,.0f} targets per second, {turn.processors:.2f} "
                              f"processors, {turn.foreign:.2f} foreign", flush=True)  # fmt: skip
                finally:
                    training.process.kill()
                    training.process.wait()
    return turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processors", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=360.0, help="begin no training later")
    parser.add_argument("--train", choices=TRAININGS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.folder, options.train, options.processors)
        return
    turns = measure(options.processors, options.rounds, options.seconds)
    medians = {
        kind: {
            name: {field: round(median(getattr(turn, field) for turn in measured), 3) for field in Turn._fields}
            for name, measured in situations.items()
        }
        for kind, situations in turns.items()
    }
    best = medians["threads that spin"]["quiet"]["rate"]
    ratios = {
        kind: {name: round(values["rate"] / best, 3) for name, values in situations.items()}
        for kind, situations in medians.items()
    }
    print(json.dumps(ratios, indent=2))
    rounds = {kind: len(situations["quiet"]) for kind, situations in turns.items()}
    results = {"machine": machine(options.processors), "rounds": rounds, "medians": medians, "of_quiet": ratios}
    write_results("busy", results)


if __name__ == "__main__":
    main()
