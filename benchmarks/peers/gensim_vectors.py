"""The peer of word_vectors.py: gensim's Word2Vec over a file of lines of words. Runs by a Python that has gensim."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from typing import Any


def evaluated(vectors: Any, options: argparse.Namespace) -> dict[str, float]:
    found: dict[str, float] = {}
    if options.analogies:
        accuracy, _ = vectors.evaluate_word_analogies(options.analogies, restrict_vocab=options.most_words)
        found["analogies"] = accuracy
    if options.similarity:
        found["similarity"] = float(vectors.evaluate_word_pairs(options.similarity)[1].statistic)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--model", choices=("skipgram", "cbow"), default="skipgram")
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--reading", choices=("stream", "file"), default="stream", help="of lines, or each worker's own"
    )
    parser.add_argument("--analogies")
    parser.add_argument("--similarity")
    parser.add_argument("--most-words", type=int, default=30_000)
    options = parser.parse_args()
    from gensim.models import Word2Vec
    from gensim.models.word2vec import LineSentence

    settings = {"vector_size": options.dim, "window": 5, "min_count": 5, "sample": 1e-3, "negative": 5}
    model = Word2Vec(sg=options.model == "skipgram", workers=options.threads, seed=options.seed, **settings)
    text = (
        {"corpus_file": options.corpus}
        if options.reading == "file"
        else {"corpus_iterable": LineSentence(options.corpus)}
    )
    model.build_vocab(**text)
    started, used = time.monotonic(), time.process_time()
    model.train(**text, total_examples=model.corpus_count, total_words=model.corpus_total_words, epochs=options.epochs)
    seconds, processor = time.monotonic() - started, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    words = model.corpus_total_words * options.epochs
    figures = {"words": words, "seconds": seconds, "processor_seconds": processor, "words_per_second": words / seconds}
    print(json.dumps({**figures, "peak_megabytes": peak, **evaluated(model.wv, options)}))


if __name__ == "__main__":
    main()
