"""A server of a translator: its speed, its memory, its start.

    python benchmarks/serve.py speed RUN             1, 8 and 64 clients against one process that answers one by one
    python benchmarks/serve.py ctranslate2 RUN OUT   8 clients of a model in CTranslate2's format (exported to OUT), and
                                                     8 threads that ask the library itself
    python benchmarks/serve.py memory RUN            after 1,000 and after 10,000 requests; also of a classifier
    python benchmarks/serve.py start                 two models of 100 MB, and the first answers

The peer of `speed` is the run in Python, asked for one sentence after the other, without a server. Both search with the
same beam and one thread; the clients are one process of their own (`peers/http_clients.py`). In turns;
ratios are of the medians. Answers are compared: the server's are those of the peer. Results are added to
`results/serve.json`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from peers.race import BENCHMARKS, environment, machine

CLIENTS = (1, 8, 64)
SECONDS, ROUNDS = 5.0, 5
REQUESTS = (1_000, 10_000)
RESULTS = BENCHMARKS / "results" / "serve.json"
SOURCES = 200


class Server:
    """`seqloom serve` as a process. `seconds`: from its start until it says that it serves."""

    def __init__(self, *folders: Path) -> None:
        command = [sys.executable, "-m", "seqloom", "serve", *map(str, folders), "--port", "0", "--threads", "1"]
        began = time.perf_counter()
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(1))
        assert self.process.stderr is not None
        self.address = self.process.stderr.readline().split()[2]
        self.seconds = time.perf_counter() - began

    def ask(self, path: str, bodies: Sequence[dict[str, Any]], clients: int, **ends: float) -> dict[str, Any]:
        """What the clients report. `ends`: `seconds` or `requests` after which they stop."""
        at = urlsplit(self.address)
        options = {"host": at.hostname, "port": at.port, "path": path, "bodies": [json.dumps(body) for body in bodies],
                   "clients": clients, "seconds": 3_600.0, **ends}  # fmt: skip
        command = [sys.executable, str(BENCHMARKS / "peers" / "http_clients.py")]
        done = subprocess.run(command, input=json.dumps(options), stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)

    @property
    def megabytes(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def serving(*folders: Path) -> Iterator[Server]:
    server = Server(*folders)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.communicate()


def rate(answer: Any, sentences: Sequence[str]) -> float:
    """Sentences per second of a function of one sentence, asked one after the other."""
    began, answered = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        answer(sentences[answered % len(sentences)])
        answered += 1
    return answered / (time.perf_counter() - began)


def sources_of(run: Any) -> list[str]:
    lines = Path(run.plan.sources.valid or run.plan.sources.data).read_text(encoding="utf-8").splitlines()
    column = 0 if run.plan.task == "translate" else -1
    return [line.split("\t")[column] for line in lines[:SOURCES]]


def speed(folder: Path) -> dict[str, Any]:
    import seqloom

    run = seqloom.load(folder, threads=1)
    sentences = sources_of(run)
    expected = run.predict(sentences)
    bodies = [{"input": sentence} for sentence in sentences]
    rates: dict[int, list[float]] = {clients: [] for clients in (0, *CLIENTS)}
    took: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
    different = 0
    with serving(folder) as server:
        for _ in range(ROUNDS):
            rates[0].append(rate(lambda sentence: run.predict([sentence]), sentences))
            for clients in CLIENTS:
                done = server.ask("/v1/translate", bodies, clients, seconds=SECONDS)
                rates[clients].append(done["answered"] / SECONDS)
                took[clients] += done["seconds"]
                texts = {int(n): json.loads(body)["results"][0][0]["text"] for n, body in done["answers"].items()}
                different += sum(text != expected[number] for number, text in texts.items())
    base = statistics.median(rates[0])
    measured: dict[str, Any] = {"model": run.plan.model, "one_by_one": base, "different_answers": different}
    for clients in CLIENTS:
        late = sorted(took[clients])[int(0.99 * len(took[clients]))]
        middle = statistics.median(rates[clients])
        measured[f"{clients}_clients"] = {"sentences_per_second": middle, "ratio": middle / base, "p99_seconds": late}
    return measured


def ctranslate2(folder: Path, out: Path) -> dict[str, Any]:
    """`translate_batch` of the library, called by eight threads with a sentence each, is how one process answers
    several clients with CTranslate2 alone; its batches are not joined."""
    import seqloom
    import seqloom_portable
    from seqloom.export import exporters
    from seqloom.export.options import ExportOptions

    run = seqloom.load(folder, threads=1)
    sentences = sources_of(run)
    if not out.exists():
        exporters["ctranslate2"](run, out, ExportOptions())
    library = seqloom_portable.load(out, 1)
    bodies = [{"input": sentence} for sentence in sentences]
    rates: dict[str, list[float]] = {"library": [], "server": [], "server_of_run": []}
    with serving(out) as of_export, serving(folder) as of_run:
        for _ in range(ROUNDS):
            rates["library"].append(_threaded(library.predict, sentences))
            for name, server in (("server", of_export), ("server_of_run", of_run)):
                rates[name].append(server.ask("/v1/translate", bodies, 8, seconds=SECONDS)["answered"] / SECONDS)
    return {name: statistics.median(values) for name, values in rates.items()}


def _threaded(answer: Any, sentences: Sequence[str]) -> float:
    answered = [0] * 8
    end = time.perf_counter() + SECONDS

    def work(place: int) -> None:
        number = place
        while time.perf_counter() < end:
            answer([sentences[number % len(sentences)]])
            answered[place] += 1
            number += 8

    threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(answered) / SECONDS


def memory(folder: Path) -> dict[str, Any]:
    import seqloom

    run = seqloom.load(folder, threads=1)
    bodies = [{"input": sentence} for sentence in sources_of(run)]
    sizes, answered = [], 0
    with serving(folder) as server:
        for most in REQUESTS:
            server.ask(f"/v1/{run.plan.task}", bodies, 8, requests=most - answered)
            answered = most
            sizes.append(server.megabytes)
    return {
        "model": f"{run.plan.task} {run.plan.model}",
        "requests": REQUESTS,
        "megabytes": sizes,
        "growth": sizes[1] / sizes[0] - 1,
    }


def start() -> dict[str, Any]:
    """Two language models whose weights are 100 MB or more, as `train` leaves them; each is asked once."""
    import seqloom

    measured: dict[str, Any] = {"weights_megabytes": [], "ready_seconds": [], "first_answers_seconds": []}
    with tempfile.TemporaryDirectory() as folder:
        runs = [Path(folder) / "lstm", Path(folder) / "gru"]
        settings = {
            "embedding.dim": 1_400,
            "model.hidden_size": 1_400,
            "tokenizer.kind": "word",
            "training.evaluations": 1,
        }
        text = BENCHMARKS.parent / "examples" / "moby_dick.txt"
        for run in runs:
            seqloom.train("language-model", str(text), model=run.name, updates=1, out=run, settings=settings)
            measured["weights_megabytes"].append((run / "model.safetensors").stat().st_size / 1e6)
        for _ in range(ROUNDS):
            with serving(*runs) as server:
                measured["ready_seconds"].append(server.seconds)
                for run in runs:
                    (first,) = server.ask("/v1/next", [{"model": run.name, "input": "Call me"}], 1, requests=1)[
                        "seconds"
                    ]
                    measured["first_answers_seconds"].append(first)
    return measured


def main() -> None:
    what, *folders = sys.argv[1:]
    part = {"speed": speed, "ctranslate2": ctranslate2, "memory": memory, "start": start}[what]
    measured = part(*map(Path, folders))  # type: ignore[operator]
    print(json.dumps(measured))
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results = {"machine": machine(threads=1), **results, what: measured}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
