"""What a large text costs: peak memory and the time of its preparation, measured on a training of a few updates.

The training runs twice in child processes, first with an empty cache and then with a full one; the difference is the
preparation. A thousand lines of the text serve for validation.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def train(data: Path, folder: Path, out: str, options: argparse.Namespace) -> float:
    """A training of a few updates in a child process; gives its seconds."""
    command = [sys.executable, "-m", "seqloom", "train", "language-model", str(data), "--model", "lstm"]
    command += ["--valid", str(folder / "valid.txt"), "--updates", str(options.updates), "--out", str(folder / out)]
    for setting in (f"tokenizer.kind={options.tokenizer}", "embedding.dim=64", "model.hidden_size=64", *options.set):
        command += ["--set", setting]
    started = time.monotonic()
    environment = {**os.environ, "SEQLOOM_CACHE": str(folder / "cache")}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - started


def largest_child_bytes() -> int:
    """The peak memory of the largest child so far; pages of mapped files that were resident count."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a large text; .gz and .xz as they are")
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--tokenizer", default="word", help="character, word, bpe or unigram")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one more setting")
    options = parser.parse_args()
    if not options.data.exists():
        raise SystemExit(f"not there: {options.data}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # What imports torch is imported after the children ran, so that this process is never the larger one.
        from seqloom.files import read_lines

        some = itertools.islice(read_lines(str(options.data)), 1_000)
        (folder / "valid.txt").write_text("\n".join(some) + "\n", encoding="utf-8")
        first = train(options.data, folder, "first", options)
        peak = largest_child_bytes()
        second = train(options.data, folder, "second", options)
        ids = max(folder.glob("cache/*/train/ids.bin"), key=lambda path: path.stat().st_size)
        report(options.data, ids.parent, folder / "first", peak, first - second, second)


def report(data: Path, tokens: Path, run: Path, peak: int, preparation_seconds: float, again_seconds: float) -> None:
    from peers.race import machine, write_results
    from seqloom.data.token_file import TokenFile
    from seqloom.run import load

    count = len(TokenFile.open(tokens))
    vocab_size = load(run).codec.tokenizer.vocab_size
    print(f"{data.stat().st_size / 1e6:,.1f} MB, {count:,} tokens, vocabulary {vocab_size:,}")
    print(f"preparation {preparation_seconds:.1f} s, {count / max(preparation_seconds, 1e-9):,.0f} tokens/s")
    print(f"peak memory {peak / 1e6:,.0f} MB; a second run takes {again_seconds:.1f} s in all")
    write_results(
        "large_corpus",
        {
            "data": data.name,
            "file_bytes": data.stat().st_size,
            "tokens": count,
            "vocab_size": vocab_size,
            "preparation_seconds": round(preparation_seconds, 2),
            "second_run_seconds": round(again_seconds, 2),
            "peak_memory_bytes": peak,
            "machine": machine(0),
        },
    )


if __name__ == "__main__":
    main()
