"""The peer of word_vectors.py: gensim's Word2Vec over a file of lines of words. Runs by a Python that has gensim."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path


def peak_megabytes() -> float:
    """The most memory that this process has held; what the parent held when it started us does not count."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--out", required=True, help="the vectors, in word2vec's binary format")
    parser.add_argument("--model", choices=("skipgram", "cbow"), default="skipgram")
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--min-count", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--reading",
        choices=("stream", "file"),
        default="stream",
        help="one reader hands out lines, or each worker reads",
    )
    options = parser.parse_args()
    from gensim.models import Word2Vec
    from gensim.models.word2vec import LineSentence

    settings = {"vector_size": options.dim, "window": 5, "min_count": options.min_count, "sample": 1e-3, "negative": 5}
    model = Word2Vec(sg=options.model == "skipgram", workers=options.threads, seed=options.seed, **settings)
    by_file = options.reading == "file"
    text = {"corpus_file": options.corpus} if by_file else {"corpus_iterable": LineSentence(options.corpus)}
    model.build_vocab(**text)
    totals = {"total_examples": model.corpus_count, "total_words": model.corpus_total_words}
    started, used = time.monotonic(), time.process_time()
    model.train(**text, **totals, epochs=options.epochs)
    seconds, processor = time.monotonic() - started, time.process_time() - used
    model.wv.save_word2vec_format(options.out, binary=True)
    figures = {"words": model.corpus_total_words, "seconds": seconds, "processor_seconds": processor}
    print(json.dumps({**figures, "peak_megabytes": peak_megabytes()}))


if __name__ == "__main__":
    main()
