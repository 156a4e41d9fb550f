"""The peer of paragraph_vectors.py: gensim's Doc2Vec over a file of documents. Runs by a Python that has gensim."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="documents, one a line, words separated by spaces")
    parser.add_argument("--new", required=True, help="documents whose vectors are inferred")
    parser.add_argument("--out", type=Path, required=True, help="a folder for documents.npy and new.npy")
    parser.add_argument("--model", choices=("pv-dbow", "pv-dm"), required=True)
    parser.add_argument("--words", action="store_true", help="PV-DBOW: train word vectors too")
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--inference-passes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    from gensim.models.doc2vec import Doc2Vec, TaggedDocument

    documents = [
        TaggedDocument(line.split(), [number])
        for number, line in enumerate(Path(options.corpus).read_text(encoding="utf-8").splitlines())
    ]
    settings = {"vector_size": options.dim, "window": 5, "min_count": 5, "sample": 1e-3, "negative": 5}
    is_memory = options.model == "pv-dm"
    model = Doc2Vec(
        dm=int(is_memory), dbow_words=int(options.words), workers=options.threads, seed=options.seed,
        epochs=options.epochs, **settings,
    )  # fmt: skip
    model.build_vocab(documents)
    started = time.monotonic()
    model.train(documents, total_examples=model.corpus_count, epochs=options.epochs)
    seconds = time.monotonic() - started
    started = time.monotonic()
    lines = Path(options.new).read_text(encoding="utf-8").splitlines()
    inferred = [model.infer_vector(line.split(), epochs=options.inference_passes) for line in lines]
    inference_seconds = time.monotonic() - started
    options.out.mkdir(parents=True, exist_ok=True)
    np.save(options.out / "documents.npy", model.dv.vectors)
    np.save(options.out / "new.npy", np.stack(inferred))
    print(json.dumps({"seconds": seconds, "inference_seconds": inference_seconds}))


if __name__ == "__main__":
    main()
