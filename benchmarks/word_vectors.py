"""Claims: skip-gram at 2.5 times gensim's words per second, CBOW at 1.5 times, vectors no worse, and no more memory.

The same text (lowercased; letters, digits and apostrophes), the same settings: window 5, 5 negatives, sample 1e-3, min
count 5. Our loops are compiled beforehand, as a wheel of gensim's is; it takes memory and seconds once on a machine. In
turns, each program trains in a process of its own; both programs' vectors are judged by the same code, on
analogies among the 30,000 most frequent words and on rated pairs. Rates are of training alone; peak memory is the
process's. The peer runs by a Python of its own:

    python -m venv PEER
    PEER/bin/pip install gensim==4.4.0
    python benchmarks/word_vectors.py --peer-python PEER/bin/python

A quick look: --parts skipgram:100 --seeds 1 --epochs 1 --words 3000000
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent
DATA = BENCHMARKS.parent.parent / "shared" / "data"
WANTED = {"skipgram": 2.5, "cbow": 1.5}
SETTINGS = ("window=5", "negatives=5", "sample=1e-3", "passes.patience=0")
_NOT_A_WORD = re.compile(r"[^a-z0-9']+")

Result = dict[str, Any]


@dataclass(frozen=True)
class Race:
    folder: Path
    options: argparse.Namespace
    words: int

    @property
    def text(self) -> Path:
        return self.folder / "text.txt"

    def ours(self, model: str, dim: int, seed: int) -> Result:
        run = self.folder / f"ours-{model}-{dim}-{seed}"
        command = [sys.executable, "-m", "seqloom", "train", "vectors", str(self.text), "--model", model, "--json"]
        command += ["--valid", str(self.folder / "valid.txt"), "--epochs", str(self.options.epochs), "--out", str(run)]
        command += ["--seed", str(seed), "--threads", str(self.options.threads), "--set", f"dim={dim}"]
        for setting in (*SETTINGS, f"min_count={self.options.min_count}", *self.options.set):
            command += ["--set", setting]
        call(command, self.folder)
        last = json.loads((run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        peak = json.loads((run / "summary.json").read_text(encoding="utf-8"))["peak_memory_bytes"] / 1e6
        return self._result(run, last["targets"] / last["targets_per_second"], peak)

    def peer(self, model: str, dim: int, seed: int) -> Result:
        out = self.folder / f"peer-{model}-{dim}-{seed}.bin"
        options = {"corpus": self.text, "out": out, "model": model, "dim": dim, "seed": seed}
        options |= {name: getattr(self.options, name) for name in ("epochs", "threads", "reading", "min_count")}
        script = str(BENCHMARKS / "peers" / "gensim_vectors.py")
        arguments = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
        said = call([self.options.peer_python, script, *arguments], self.folder)
        return self._result(out, said["seconds"], said["peak_megabytes"])

    def _result(self, vectors: Path, seconds: float, peak: float) -> Result:
        import seqloom

        found = seqloom.Vectors.open(vectors)
        data = self.options.data / "vectors"
        return {
            "words_per_second": self.words * self.options.epochs / seconds,
            "seconds": seconds,
            "peak_megabytes": peak,
            "analogies": found.evaluate_analogies(str(data / "questions-words.txt"), 30_000).total.accuracy,
            "similarity": found.evaluate_similarity(str(data / "wordsim353.tsv")).spearman,
            "load": os.getloadavg()[0],
        }


def call(command: Sequence[str], folder: Path) -> Result:
    """The JSON object that a program's last line of output holds."""
    environment = {**os.environ, "SEQLOOM_CACHE": str(folder / "cache")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def write_text(source: Path, folder: Path, most_words: int) -> int:
    """The text of both programs, and a thousand of its lines to validate on. How many words there are."""
    from seqloom.files import read_lines

    words = 0
    with (folder / "text.txt").open("w", encoding="utf-8") as text, (folder / "valid.txt").open("w") as valid:
        for number, line in enumerate(read_lines(source)):
            found = _NOT_A_WORD.sub(" ", line.lower()).split()
            if not found:
                continue
            words += len(found)
            text.write(" ".join(found) + "\n")
            if number < 1_000:
                valid.write(" ".join(found) + "\n")
            if most_words and words >= most_words:
                break
    return words


def mean_and_error(results: Sequence[Result], name: str) -> tuple[float, float]:
    """Its standard error is not known (0) with one."""
    values = [float(result[name]) for result in results]
    return statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def held_by_imports(python: str, module: str) -> float:
    """Megabytes that a process holds when it has imported the module and done nothing yet."""
    command = f"import {module}; print(open('/proc/self/status').read())"
    status = subprocess.run([python, "-c", command], capture_output=True, text=True, check=True).stdout
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) * 1024 / 1e6


def concluded(model: str, dim: int, ours: Sequence[Result], peer: Sequence[Result]) -> Result:
    rate = [statistics.median(float(one["words_per_second"]) for one in side) for side in (ours, peer)]
    memory = [max(float(one["peak_megabytes"]) for one in side) for side in (ours, peer)]
    found: Result = {"model": model, "dim": dim, "ratio": rate[0] / rate[1], "ours": list(ours), "peer": list(peer)}
    print(f"{model} {dim}: {found['ratio']:.2f} times the words per second (wanted: {WANTED[model]})")
    print(f"  peak memory {memory[0]:,.0f} MB, gensim's {memory[1]:,.0f} MB")
    for name in ("analogies", "similarity"):
        (own, own_error), (other, error) = mean_and_error(ours, name), mean_and_error(peer, name)
        verdict = "no worse" if own >= other - error else "worse"
        print(f"  {name} {own:.4f} ± {own_error:.4f}, gensim's {other:.4f} ± {error:.4f}: {verdict}", flush=True)
        found[name] = [own, own_error, other, error]
    return found


def missing(options: argparse.Namespace) -> str | None:
    """Why there is nothing to run, if so."""
    if not (options.data / "lm" / "english_prose.txt.xz").exists():
        return f"skipped: {options.data} is not there; give --data, a folder with lm/english_prose.txt.xz and vectors/"
    if options.peer_python is None:
        return "skipped: give --peer-python, a Python that has gensim; --help says how to install it"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--peer-python", help="a Python that has gensim")
    parser.add_argument("--parts", default="skipgram:100,skipgram:300,cbow:100", help="models and their dimensions")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--min-count", type=int, default=5, help="rarer words have no vectors")
    parser.add_argument("--words", type=int, default=0, help="of the text's beginning; 0: all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--reading", default="stream", help="how gensim reads: stream, or file")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one more setting of ours")
    options = parser.parse_args()
    if (reason := missing(options)) is not None:
        print(reason)
        return
    peer_python = options.peer_python
    parts = [(model, int(dim)) for model, _, dim in (part.partition(":") for part in options.parts.split(","))]
    from peers.race import machine, write_results

    found: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        race = Race(
            Path(folder), options, write_text(options.data / "lm" / "english_prose.txt.xz", Path(folder), options.words)
        )
        print(f"{race.words:,} words, {options.epochs} epochs, {options.threads} threads", flush=True)
        compile_kernels(race)
        for model, dim in parts:
            ours: list[Result] = []
            peer: list[Result] = []
            for seed in range(1, options.seeds + 1):
                ours.append(race.ours(model, dim, seed))
                peer.append(race.peer(model, dim, seed))
                for name, one in (("Seqloom", ours[-1]), ("gensim", peer[-1])):
                    print(
                        f"{model} {dim}, seed {seed}  {name:<7}  {one['words_per_second']:10,.0f} words/s  "
                        f"{one['peak_megabytes']:5,.0f} MB  analogies {one['analogies']:.4f}  similarity "
                        f"{one['similarity']:.4f}  load {one['load']:.1f}",
                        flush=True,
                    )
            found.append(concluded(model, dim, ours, peer))
        imports = [held_by_imports(sys.executable, "seqloom.run.start"), held_by_imports(peer_python, "gensim.models")]
        print(f"of the memory, imports alone hold {imports[0]:,.0f} MB, and gensim's {imports[1]:,.0f} MB")
    facts: Result = {name: getattr(options, name) for name in ("epochs", "seeds", "min_count", "reading", "set")}
    facts["megabytes of imports"] = imports
    if not options.words:
        write_results(
            "word_vectors", {"words": race.words, **facts, "machine": machine(options.threads), "parts": found}
        )


def compile_kernels(race: Race) -> None:
    """The first training on a machine compiles what is kept from then on."""
    tiny = Path(race.folder / "tiny.txt")
    tiny.write_text("a b c d\n" * 200, encoding="utf-8")
    command = [sys.executable, "-m", "seqloom", "train", "vectors", str(tiny), "--model", "skipgram", "--json"]
    command += ["--valid", str(tiny), "--epochs", "1", "--threads", "1", "--out", str(race.folder / "tiny")]
    call(command, race.folder)


if __name__ == "__main__":
    main()
