"""Sentences per second of a server, with 1, 8 and 64 clients, against one process that answers one by one; its memory.

    python benchmarks/serve.py RUN

RUN is a translator or a classifier. In turns: the run in Python, asked for one sentence after the other; and a server
with so many clients, each of which waits for its answer before it asks again. Ratios are of the medians.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

import seqloom

CLIENTS = (1, 8, 64)
SECONDS, ROUNDS = 6.0, 3
REQUESTS = (1_000, 10_000)


def one_by_one(run: seqloom.Run, sentences: Sequence[str]) -> float:
    began, answered = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        run.predict([sentences[answered % len(sentences)]])
        answered += 1
    return answered / (time.perf_counter() - began)


def served(address: str, path: str, sentences: Sequence[str], clients: int) -> tuple[float, list[float]]:
    """Sentences per second, and the seconds that each took."""
    took: list[float] = []
    end = time.perf_counter() + SECONDS

    def ask(first: int) -> None:
        with httpx.Client(timeout=60) as client:
            number = first
            while time.perf_counter() < end:
                began = time.perf_counter()
                client.post(address + path, json={"input": sentences[number % len(sentences)]}).raise_for_status()
                took.append(time.perf_counter() - began)
                number += clients

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(took) / SECONDS, took


def memory(process: subprocess.Popen[Any]) -> float:
    """The resident megabytes of a process."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    folder = Path(sys.argv[1])
    run = seqloom.load(folder, threads=1)
    path = "/v1/translate" if run.plan.task == "translate" else "/v1/classify"
    data = run.plan.sources.valid or run.plan.sources.data
    sentences = [
        line.split("\t")[0 if run.plan.task == "translate" else -1]
        for line in Path(data).read_text().splitlines()[:200]
    ]
    command = [sys.executable, "-m", "seqloom", "serve", str(folder), "--port", "0", "--threads", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[2]
        run.predict(sentences[:8])
        rates: dict[int, list[float]] = {clients: [] for clients in (0, *CLIENTS)}
        seconds: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
        for _ in range(ROUNDS):
            rates[0].append(one_by_one(run, sentences))
            for clients in CLIENTS:
                rate, took = served(address, path, sentences, clients)
                rates[clients].append(rate)
                seconds[clients] += took
        base = statistics.median(rates[0])
        print(f"{'one by one':<12}{base:8.1f} sentences per second")
        for clients in CLIENTS:
            rate, took = statistics.median(rates[clients]), sorted(seconds[clients])
            late = took[int(0.99 * len(took))]
            ratio = f"{rate / base:5.2f} times; p99 {1_000 * late:.0f} ms"
            print(f"{clients:>2} clients  {rate:8.1f} sentences per second, {ratio}")
        sizes, answered = [], 0
        with httpx.Client(timeout=60) as client:
            for most in REQUESTS:
                for number in range(answered, most):
                    client.post(address + path, json={"input": sentences[number % 20][:40]}).raise_for_status()
                answered = most
                sizes.append(memory(process))
        print(f"memory after {REQUESTS[0]:,} and {REQUESTS[1]:,} requests: {sizes[0]:.0f} and {sizes[1]:.0f} MB")
        process.terminate()


if __name__ == "__main__":
    main()
