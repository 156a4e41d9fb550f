"""Flair (Akbik et al. 2019) on given columns: the peer of `tagging.py`. Knows no Seqloom.

Trains its `SequenceTagger` for so many minutes, by a Python that has it: word embeddings that are learnt, its
`CharacterEmbeddings`, one bidirectional LSTM, its CRF, all of the sizes that `tagging.py` says. What is open is chosen
for its speed: no second linear layer on the embeddings, tags as they are (its own scheme would double them), a bare
loop instead of its trainer, without validation. Only steps after a warm-up are counted. It downloads nothing.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import flair  # type: ignore[import-not-found]
import torch
from flair.data import Corpus, Dictionary, Sentence  # type: ignore[import-not-found]
from flair.datasets import ColumnCorpus  # type: ignore[import-not-found]
from flair.embeddings import (  # type: ignore[import-not-found]
    CharacterEmbeddings,
    OneHotEmbeddings,
    StackedEmbeddings,
)
from flair.models import SequenceTagger  # type: ignore[import-not-found]
from flair.training_utils import store_embeddings  # type: ignore[import-not-found]

WARM_UP = 5
"""Updates that are not counted."""


def read(folder: Path) -> Corpus:
    return ColumnCorpus(
        folder,
        {0: "text", 1: "tag"},
        train_file="train.conll",
        dev_file="valid.conll",
        test_file="valid.conll",
        in_memory=True,
    )


def characters(sentences: list[Sentence]) -> Dictionary:
    """Those of two words or more."""
    counts: Counter[str] = Counter()
    for word in {token.text for sentence in sentences for token in sentence}:
        counts.update(set(word))
    found = Dictionary()
    for character, count in counts.most_common():
        if count > 1:
            found.add_item(character)
    return found


def build(corpus: Corpus, sentences: list[Sentence], sizes: argparse.Namespace) -> SequenceTagger:
    words = OneHotEmbeddings.from_corpus(corpus, min_freq=2, embedding_length=sizes.word_dim)
    letters = CharacterEmbeddings(characters(sentences), sizes.character_dim, sizes.character_hidden_size)
    return SequenceTagger(
        embeddings=StackedEmbeddings([words, letters]),
        tag_dictionary=corpus.make_label_dictionary("tag", add_unk=False),
        tag_type="tag",
        tag_format="BIO",
        hidden_size=sizes.hidden_size,
        rnn_layers=1,
        use_crf=True,
        reproject_embeddings=False,
        word_dropout=0.0,
        locked_dropout=0.5,
    )


def train(model: SequenceTagger, sentences: list[Sentence], rows: int, minutes: float, seed: int) -> dict[str, Any]:
    """Epoch after epoch in batches of `rows` sentences, drawn at random as its trainer does."""
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, fused=True)
    rng = random.Random(seed)
    updates = targets = 0
    begin = started = time.monotonic()
    while True:
        rng.shuffle(sentences)
        for first in range(0, len(sentences), rows):
            if updates == WARM_UP:
                started, targets = time.monotonic(), 0
            if updates > WARM_UP and time.monotonic() - begin > 60 * minutes:
                return {
                    "targets_per_second": targets / (time.monotonic() - started),
                    "targets_per_update": targets / (updates - WARM_UP),
                    "updates": updates,
                }
            batch = sentences[first : first + rows]
            loss, _ = model.forward_loss(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            store_embeddings(batch, "none")
            updates, targets = updates + 1, targets + sum(map(len, batch))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder with {train,valid}.conll, word and tag")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--targets-per-update", type=float, default=800, help="words, on average")
    for size in ("word-dim", "character-dim", "character-hidden-size", "hidden-size"):
        parser.add_argument(f"--{size}", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    flair.device = torch.device("cpu")
    flair.set_seed(options.seed)
    logging.getLogger("flair").setLevel(logging.WARNING)
    corpus = read(options.corpus)
    sentences = list(corpus.train)
    model = build(corpus, sentences, options)
    model.train()
    words_each = sum(map(len, sentences)) / len(sentences)
    trained = train(
        model, sentences, max(1, round(options.targets_per_update / words_each)), options.minutes, options.seed
    )
    load = os.getloadavg()[0]
    model.eval()
    score = model.evaluate(corpus.dev, gold_label_type="tag").main_score
    parameters = sum(p.numel() for p in model.parameters())
    print(json.dumps({**trained, "span_f1": score, "parameters": parameters, "load": load}))


if __name__ == "__main__":
    main()
