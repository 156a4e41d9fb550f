"""JoeyNMT (Kreutzer et al. 2019) on given token ids: the peer of `translate.py`. Knows no Seqloom.

Trains for so many minutes, then translates the validation sentences with a beam of 5, through JoeyNMT's own trainer and
its own `predict`, by a Python that has it. Its models are of the sizes that `translate.py` says. What is open is chosen
for its speed: ids as words, so that it has no text to cut; no validation between; of several decoding batch sizes the
fastest.

After minutes on a CPU it may write a word a sentence, or never end. So its decoding is timed a second time, with
sentences of one length, which the caller gives.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import torch
from joeynmt import prediction  # type: ignore[import-not-found]
from joeynmt.config import BaseConfig, parse_global_args  # type: ignore[import-not-found]
from joeynmt.search import search  # type: ignore[import-not-found]
from joeynmt.training import TrainManager  # type: ignore[import-not-found]

DECODING_BATCH_SIZES = (16, 64, 256)
"""Sentences a batch; each is tried on the first of them."""
TRIED_SENTENCES = 256


def recurrent() -> dict[str, Any]:
    """A bidirectional LSTM, one that writes, and Luong's attention without input feeding."""
    embeddings = {"embedding_dim": 256, "scale": False, "dropout": 0.3}
    common = {"type": "recurrent", "rnn_type": "lstm", "embeddings": embeddings, "hidden_size": 256, "num_layers": 1}
    return {
        "initializer": "xavier_uniform",
        "bias_initializer": "zeros",
        "embed_initializer": "normal",
        "embed_init_weight": 0.1,
        "lstm_forget_gate": 1.0,
        "encoder": {**common, "bidirectional": True, "dropout": 0.3},
        "decoder": {
            **common,
            "dropout": 0.3,
            "hidden_dropout": 0.3,
            "attention": "luong",
            "init_hidden": "bridge",
            "input_feeding": False,
        },
    }


def transformer() -> dict[str, Any]:
    layer_stack = {
        "type": "transformer",
        "embeddings": {"embedding_dim": 128, "scale": True, "dropout": 0.1},
        "hidden_size": 128,
        "ff_size": 512,
        "num_layers": 4,
        "num_heads": 4,
        "dropout": 0.1,
        "layer_norm": "pre",
    }
    return {
        "initializer": "xavier_uniform",
        "bias_initializer": "zeros",
        "embed_initializer": "xavier_uniform",
        "encoder": layer_stack,
        "decoder": layer_stack,
    }


MODELS = {"lstm+attention": (recurrent, 2e-3), "transformer": (transformer, 1e-3)}
"""The network, and a learning rate with which it gets on within minutes."""


def configuration(corpus: Path, model: str, batch_tokens: int, seed: int) -> dict[str, Any]:
    build, learning_rate = MODELS[model]
    side = {"level": "word", "lowercase": False, "max_length": -1, "voc_file": str(corpus / "vocabulary.txt")}
    return {
        "name": model,
        "model_dir": str(corpus / "joeynmt"),
        "use_cuda": False,
        "fp16": False,
        "random_seed": seed,
        "data": {
            "train": str(corpus / "train"),
            "dev": str(corpus / "valid"),
            "dataset_type": "plain",
            "src": {"lang": "source", **side},
            "trg": {"lang": "target", **side},
        },
        "model": {"tied_embeddings": True, "tied_softmax": True, **build()},
        "training": {
            "optimizer": "adam",
            "adam_betas": [0.9, 0.98],
            "learning_rate": learning_rate,
            "learning_rate_min": 0.0,
            "learning_rate_warmup": 300,
            "scheduling": "warmupinversesquareroot",
            "clip_grad_norm": 1.0,
            "label_smoothing": 0.1,
            "normalization": "tokens",
            "batch_size": batch_tokens,
            "batch_type": "token",
            "epochs": 10_000,
            "logging_freq": 100,
            "validation_freq": 1_000_000,
            "early_stopping_metric": "loss",
        },
        "testing": {"beam_size": 5, "beam_alpha": 1.0, "eval_metrics": []},
    }


def padded_tokens(corpus: Path, targets_per_update: float) -> int:
    """JoeyNMT's batch size at which a batch has so many real target tokens on average.

    It counts padding, and closes a batch when the longest line of either side times the lines has reached the size. Its
    batches are not sorted by length, so that about half of one is padding.
    """
    sides = [(corpus / f"train.{side}").read_text(encoding="utf-8").splitlines() for side in ("source", "target")]
    pairs = [(len(source.split()) + 1, len(target.split()) + 1) for source, target in zip(*sides, strict=True)]
    random.Random(1).shuffle(pairs)
    size = 2 * targets_per_update
    for _ in range(3):
        batches, lines, longest = 0, 0, 0
        for pair in pairs:
            lines, longest = lines + 1, max(longest, *pair)
            if lines * longest >= size:
                batches, lines, longest = batches + 1, 0, 0
        size *= targets_per_update * max(batches, 1) / sum(target for _, target in pairs)
    return round(size)


def train(config: BaseConfig, network: Any, data: Any, valid: Any, minutes: float) -> dict[str, float]:
    """Its trainer ends on an interrupt, which an alarm sends when the time is up."""
    manager = TrainManager(
        rank=0,
        model=network,
        model_dir=config.model_dir,
        device=config.device,
        autocast=config.autocast,
        seed=config.seed,
        train_args=config.train,
        dev_args=config.test,
    )
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    started = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 60 * minutes)
    manager.train_and_validate(train_data=data, valid_data=valid)
    updates, targets = manager.stats.steps, manager.stats.total_tokens
    # What it saves at the end is not counted as time.
    seconds = min(time.monotonic() - started, 60 * minutes)
    return {
        "targets_per_second": targets / seconds,
        "targets_per_update": targets / max(updates, 1),
        "updates": updates,
    }


def translate(config: BaseConfig, network: Any, data: Any, batch_size: int, tokens: int = 0) -> tuple[list[str], float]:
    """The translations, and the seconds they took. `tokens`: each has exactly so many; 0 is as many as it wants."""
    options = config.test._replace(batch_size=batch_size, batch_type="sentence")
    if tokens:
        options = options._replace(max_output_length=tokens + 1)  # <eos> too
        # `predict` of 2.3.0 does not hand this one on.
        prediction.search = functools.partial(search, min_output_length=tokens)
    started = time.monotonic()
    try:
        found = prediction.predict(
            model=network, data=data, device=config.device, n_gpu=0, args=options, autocast=config.autocast
        )
    finally:
        prediction.search = search
    seconds = time.monotonic() - started
    assert not tokens or {len(line.split()) for line in found[2]} <= {tokens, tokens + 1}, "all have the length asked"
    return found[2], seconds


def fastest_batch_size(config: BaseConfig, network: Any, data: Any, tokens: int) -> int:
    data.reset_indices(random_subset=min(TRIED_SENTENCES, len(data) - 1))
    seconds = {size: translate(config, network, data, size, tokens)[1] for size in DECODING_BATCH_SIZES}
    data.reset_indices(random_subset=-1)
    return min(seconds, key=seconds.__getitem__)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder with {train,valid}.{source,target}, ids")
    parser.add_argument("--model", choices=sorted(MODELS), required=True)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--targets-per-update", type=float, default=2_000, help="real target tokens, on average")
    parser.add_argument("--tokens-per-sentence", type=int, default=14, help="decoding is timed with this length too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    (options.corpus / "joeynmt").mkdir(exist_ok=True)
    batch_tokens = padded_tokens(options.corpus, options.targets_per_update)
    raw = configuration(options.corpus, options.model, batch_tokens, options.seed)
    config = parse_global_args(raw, rank=0, mode="train")
    network, data, valid, _ = prediction.prepare(config, rank=0, mode="train")
    trained = train(config, network, data, valid, options.minutes)
    tokens = options.tokens_per_sentence
    size = fastest_batch_size(config, network, valid, tokens)
    load = os.getloadavg()[0]
    _, equal_seconds = translate(config, network, valid, size, tokens)
    hypotheses, seconds = translate(config, network, valid, size)
    (options.corpus / "hypotheses.txt").write_text("\n".join(hypotheses) + "\n", encoding="utf-8")
    print(
        json.dumps(
            {
                **trained,
                "batch_tokens": batch_tokens,
                "sentences_per_second": len(hypotheses) / seconds,
                "sentences_per_second_equal_lengths": len(hypotheses) / equal_seconds,
                "decoding_batch_size": size,
                "load": load,
                "parameters": sum(p.numel() for p in network.parameters()),
            }
        )
    )


if __name__ == "__main__":
    main()
