"""n-gram models against KenLM: estimation from a text to an ARPA file, and scores of many sentences from Python.

Estimation runs in a process of its own: the text is read, its words counted and looked up, the model estimated and the
ARPA file written. Where `lmplz` is on the PATH it does the same; else its figures on english_prose are named. Scoring
asks the `kenlm` package (pip install kenlm) for the same sentences by the same ARPA file, one after the other.

With --ptb FOLDER, the test perplexities of Penn Treebank are compared with KenLM's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LMPLZ = {"seconds": 31.0, "peak_megabytes": 1_900.0}
"""lmplz -o 5 of the 16.1 million tokens of english_prose, on two quiet cores of a server of 2024, -S 40%."""
PTB = {5: 141.19, 3: 148.28}
"""KenLM's test perplexities of Penn Treebank, </s> counted and <unk> a word (github.com/kpu/kenlm, lmplz and query)."""
EXAMPLE = Path(__file__).parent.parent / "examples" / "moby_dick.txt"


def estimate(text: Path, order: int, arpa: Path, threads: int) -> dict[str, Any]:
    """What the child process does: from the text to the ARPA file."""
    from seqloom.data.readers import readers
    from seqloom.data.text_codec import train_tokenizer
    from seqloom.data.token_file import TokenFile, TokenFileWriter, batches
    from seqloom.data.tokenizer import TokenizerSettings
    from seqloom.formats.arpa.write import write_model
    from seqloom.models.ngram.model import NgramModel, NgramSettings
    from seqloom.processors import set_num_threads

    set_num_threads(threads)
    read = readers["lines"]
    marks = [time.monotonic()]
    settings = TokenizerSettings(vocab_size=2**24, min_count=1)
    tokenizer = train_tokenizer(read(str(text)), settings)
    with tempfile.TemporaryDirectory() as folder:
        writer = TokenFileWriter(Path(folder) / "tokens", tokenizer)
        for lines in batches(read(str(text))):
            writer.add(lines)
        writer.finish()
        tokens = TokenFile.open(Path(folder) / "tokens")
        marks.append(time.monotonic())
        model = NgramModel(NgramSettings(order=order))
        model.estimate(tokens, None, tokenizer.vocab_size)
    marks.append(time.monotonic())
    write_model(model.store, tokenizer.tokens(), arpa)
    marks.append(time.monotonic())
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = marks[-1] - marks[0]
    return {
        "tokens": len(tokens),
        "ngrams": model.store.sizes.tolist(),
        "seconds": seconds,
        "processor_seconds": used.ru_utime + used.ru_stime,
        "reading_seconds": marks[1] - marks[0],
        "estimation_seconds": marks[2] - marks[1],
        "writing_seconds": marks[3] - marks[2],
        "ngrams_per_second": int(model.store.sizes.sum()) / seconds,
        "peak_megabytes": used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3),
    }


def estimate_in_child(text: Path, options: argparse.Namespace, arpa: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, str(text), "--child", str(arpa)]
    command += ["--order", str(options.order), "--threads", str(options.threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def lmplz(text: Path, order: int, arpa: Path) -> dict[str, float] | None:
    """The same by lmplz, where it is installed."""
    program = shutil.which("lmplz")
    if program is None:
        return None
    started = time.monotonic()
    command = [program, "-o", str(order), "-S", "40%", "--text", str(text), "--arpa", str(arpa), "--discount_fallback"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"lmplz failed with status {child.returncode}")
    processor = used.ru_utime + used.ru_stime
    seconds = time.monotonic() - started
    return {"seconds": seconds, "processor_seconds": processor, "peak_megabytes": used.ru_maxrss / 1e3}


def median_seconds(work: Callable[[], Any], times: int = 5) -> float:
    work()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def scoring(text: Path, arpa: Path, sentences: int) -> dict[str, Any]:
    """Tokens per second of both by the same file, and how far their scores are apart."""
    import math
    import random

    import seqloom
    from peers import kenlm_scores
    from seqloom.files import read_lines
    from seqloom.processors import set_num_threads

    lines = [line.strip() for line in read_lines(text) if line.strip()]
    chosen = random.Random(1).choices(lines, k=sentences)
    tokens = sum(len(line.split()) + 1 for line in chosen)
    found: dict[str, Any] = {"sentences": sentences, "tokens": tokens}
    with tempfile.TemporaryDirectory() as folder:
        run = seqloom.read_arpa(arpa, Path(folder) / "run")
        for threads in (1, 2):
            set_num_threads(threads)
            found[f"tokens_per_second_{threads}"] = tokens / median_seconds(lambda: run.score(chosen))
        ours = (run.score(chosen[:10_000]).log_probs / math.log(10)).tolist()
    peer = kenlm_scores.load(arpa)
    if peer is None:
        print("the package kenlm is not installed: pip install kenlm", file=sys.stderr)
        return found
    found["kenlm_tokens_per_second"] = tokens / median_seconds(lambda: kenlm_scores.score(peer, chosen))
    theirs = kenlm_scores.exact(peer, chosen[:10_000])
    found["largest_difference"] = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
    for threads in (1, 2):
        found[f"times_kenlm_{threads}"] = found[f"tokens_per_second_{threads}"] / found["kenlm_tokens_per_second"]
    return found


def penn_treebank(folder: Path) -> dict[str, float]:
    import seqloom

    found = {}
    with tempfile.TemporaryDirectory() as out:
        for order, wanted in PTB.items():
            run = seqloom.train(
                "language-model",
                str(folder / "ptb.train.txt"),
                valid=str(folder / "ptb.valid.txt"),
                test=str(folder / "ptb.test.txt"),
                model="ngram",
                out=Path(out) / str(order),
                settings={"order": order},
                quiet=True,
            )
            found[f"order {order}"] = run.summary["test"]["perplexity"]
            print(f"Penn Treebank, order {order}: {found[f'order {order}']:.3f}, KenLM {wanted}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, nargs="?", default=EXAMPLE, help="words separated by blanks; .gz, .xz too")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sentences", type=int, default=100_000, help="to score")
    parser.add_argument("--ptb", type=Path, help="the folder of ptb.train.txt and the others")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(estimate(options.text, options.order, options.child, options.threads)))
        return
    with tempfile.TemporaryDirectory() as folder:
        arpa = Path(folder) / "model.arpa"
        tiny = Path(folder) / "tiny.txt"
        tiny.write_text("a b c\n" * 3, encoding="utf-8")
        estimate_in_child(tiny, options, arpa)  # what is compiled once, is compiled now
        figures: dict[str, Any] = {"estimation": estimate_in_child(options.text, options, arpa)}
        print(json.dumps(figures["estimation"], indent=1))
        figures["lmplz"] = lmplz(options.text, options.order, Path(folder) / "lmplz.arpa")
        print("lmplz:", json.dumps(figures["lmplz"] or {"not installed, elsewhere of english_prose": LMPLZ}))
        figures["scoring"] = scoring(options.text, arpa, options.sentences)
        print(json.dumps(figures["scoring"], indent=1))
    if options.ptb:
        figures["penn_treebank"] = penn_treebank(options.ptb)
    from peers.race import machine, write_results

    write_results("ngram", {"text": options.text.name, "machine": machine(options.threads), **figures})


if __name__ == "__main__":
    main()
