"""What one update teaches: an attentional encoder-decoder of Seqloom beside a plain PyTorch model of the same width.

Both train on the same batches of 128 pairs, in the same order, with Adam at a constant rate of 2e-3 and no label
smoothing, and are measured on the whole validation file after 50 to 500 updates: nats per token and exact match of
greedy search. Seconds play no part. Each variant changes one difference between the two; `--variants` chooses some.

    python benchmarks/per_update.py --variants ours peer --seeds 3
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from peers.plain_attentive_lstm import AttentiveLSTM
from peers.race import BENCHMARKS, machine, write_results
from seqloom.data.batches import Batch
from seqloom.data.corpus import Corpus, Sources, prepare
from seqloom.data.line_batches import line_batch, with_lengths
from seqloom.data.pairs import PairCodec, Pairs
from seqloom.data.readers.pairs import Pair
from seqloom.data.tokenizer import EOS, PAD, SOS
from seqloom.run.plan import make_settings
from seqloom.runtime import cache_folder
from seqloom.tasks import tasks
from seqloom.training.budget import Progress
from seqloom.training.gradients import GradientTrainer

DATA = BENCHMARKS.parent.parent / "shared" / "data" / "morphology"
ROWS, RATE = 128, 2e-3
PairCorpus = Corpus[Pair, Pairs]


def recipe(width: int) -> dict[str, Any]:
    return {
        "embedding.dim": width,
        "encoder.hidden_size": width,
        "decoder.hidden_size": width,
        "output.label_smoothing": 0.0,
        "decoding.validation_examples": 0,
        "training.learning_rate": RATE,
        "training.schedule": "constant",
        "training.warmup": 0.0,
    }


@dataclass(frozen=True)
class Variant:
    """One difference. `settings` of ours, or `dropout` of the peer; `change`: of the network before its first update;
    `sorted_batches`: pairs are sorted by length within groups of so many batches, 0: within the whole epoch."""

    settings: dict[str, Any] = field(default_factory=dict)
    change: Callable[[Any], None] = lambda _: None
    sorted_batches: int = 1
    is_peer: bool = False
    dropout: float = 0.2


def torch_initial_weights(network: Any) -> None:
    """All weights of the recurrences and linear maps uniform in +-1/sqrt(width), as PyTorch's are."""
    for name, parameter in network.named_parameters():
        if "table" not in name and "softmax" not in name and parameter.dim() > 1:
            edge = network.embedding.dim**-0.5
            nn.init.uniform_(parameter, -edge, edge)


VARIANTS = {
    "peer": Variant(is_peer=True),
    "peer, no dropout": Variant(is_peer=True, dropout=0.0),
    "peer, sorted": Variant(is_peer=True, sorted_batches=0),
    "ours": Variant(),
    "sorted": Variant(sorted_batches=0),
    **{f"sorted within {n}": Variant(sorted_batches=n) for n in (2, 4, 8, 16, 32)},
    "no dropout": Variant({"embedding.dropout": 0.0, "output.dropout": 0.0}),
    "no embedding dropout": Variant({"embedding.dropout": 0.0}),
    "no output dropout": Variant({"output.dropout": 0.0}),
    "no clipping": Variant({"training.clip_norm": 0.0}),
    "no weight decay": Variant({"training.weight_decay": 0.0}),
    "no skip connections": Variant({"output.skip_connection": False, "attention.skip_connection": False}),
    "untied": Variant({"output.tied": False}),
    "additive": Variant({"attention.score": "additive"}),
    "input feeding": Variant({"attention.input_feeding": True}),
    "zero state": Variant({"decoder.initial_state": "zeros"}),
    "bfloat16": Variant({"training.precision": "bfloat16"}),
    "initial weights": Variant(change=torch_initial_weights),
}


class FixedBatches:
    """Batches of 128 pairs: those of every epoch, one after the other."""

    def __init__(self, corpus: PairCorpus, seed: int, sorted_batches: int) -> None:
        self.data, self.seed = corpus.train, seed
        self.steps = self.data.num_lines // ROWS
        self.group = (sorted_batches or self.steps) * ROWS

    def num_steps(self, epoch: int) -> int:  # noqa: ARG002
        return self.steps

    def batch(self, epoch: int, step: int) -> Batch:
        rng, lengths = np.random.default_rng((self.seed, epoch)), np.diff(self.data.target.offsets)
        order = rng.permutation(self.data.num_lines)[: self.steps * ROWS]
        if self.group > ROWS:
            groups = [order[start : start + self.group] for start in range(0, len(order), self.group)]
            order = np.concatenate([rows[np.argsort(lengths[rows], kind="stable")] for rows in groups])
        return pair_batch(self.data, order.reshape(-1, ROWS)[rng.permutation(self.steps)[step]])


def pair_batch(data: Pairs, rows: Any) -> Batch:
    source, lengths = with_lengths(data.source.rows(rows))
    return line_batch(data.target.rows(rows))._replace(source=source, source_lengths=lengths)


class Ours:
    """The network, trained by Seqloom's own trainer."""

    def __init__(self, variant: Variant, corpus: PairCorpus, width: int, seed: int, folder: Path) -> None:
        settings = make_settings("translate", "lstm+attention", {**recipe(width), **variant.settings})
        self.trainer = GradientTrainer(tasks["translate"], "lstm+attention", settings)
        self.trainer.start(device="cpu", threads=0, seed=seed, training=True)
        self.trainer.build(cast(Any, corpus), seed, folder)
        with torch.no_grad():
            variant.change(self.trainer.network)
        self.trainer.loader = FixedBatches(corpus, seed, variant.sorted_batches)
        self.progress = Progress()

    def update(self) -> None:
        self.trainer.step(self.progress, 0.0)

    def measure(self) -> tuple[float, float]:
        scores = self.trainer.measure()
        return scores["nats_per_token"], scores["exact_match"]


class Peer:
    def __init__(self, variant: Variant, corpus: PairCorpus, width: int, seed: int, folder: Path) -> None:  # noqa: ARG002
        torch.manual_seed(seed)
        self.codec, self.valid = cast(PairCodec, corpus.codec), corpus.valid
        self.model = AttentiveLSTM(self.codec.target.vocab_size, width, variant.dropout, PAD)
        self.optimizer = torch.optim.Adam(self.model.parameters(), RATE)
        self.batches, self.progress = FixedBatches(corpus, seed, variant.sorted_batches), Progress()

    def update(self) -> None:
        batch = self.batches.batch(self.progress.epoch, self.progress.step)
        self.progress.next_step(self.batches.steps)
        loss = self.model.loss(*self._inputs(batch)) / batch.targets.ne(PAD).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    @staticmethod
    def _inputs(batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        assert batch.source is not None
        lengths = batch.source_lengths
        full = torch.full((batch.num_rows,), batch.source.shape[1]) if lengths is None else lengths
        return batch.source, full, batch.inputs, batch.targets

    @torch.no_grad()
    def measure(self) -> tuple[float, float]:
        self.model.eval()
        nats, tokens = 0.0, 0
        answers: dict[tuple[int, ...], bool] = {}
        sources = [tuple(row) for row in self.valid.source.rows(range(self.valid.num_lines))]
        for first in range(0, self.valid.num_lines, 256):
            rows = list(range(first, min(first + 256, self.valid.num_lines)))
            batch = pair_batch(self.valid, rows)
            source, lengths, inputs, targets = self._inputs(batch)
            nats += float(self.model.loss(source, lengths, inputs, targets))
            tokens += int(targets.ne(PAD).sum())
            written = self.model.greedy(source, lengths, SOS, EOS, 60)
            for row, answer in zip(rows, written, strict=True):
                target = self.valid.target.rows([row])[0].tolist()[:-1]
                answers[sources[row]] = answers.get(sources[row], False) or answer == target
        self.model.train()
        return nats / tokens, sum(answers.values()) / len(answers)


def curve(
    variant: Variant, corpus: PairCorpus, width: int, seed: int, marks: list[int]
) -> Iterator[tuple[int, tuple[float, float]]]:
    """The number of updates, and nats per token and exact match after them."""
    with tempfile.TemporaryDirectory() as folder:
        make = Peer if variant.is_peer else Ours
        learner = make(variant, corpus, width, seed, Path(folder))
        for update in range(1, marks[-1] + 1):
            learner.update()
            if update in marks:
                yield update, learner.measure()


def read_corpus(train: Path, valid: Path, settings: dict[str, Any]) -> PairCorpus:
    made = make_settings("translate", "lstm+attention", settings)
    return prepare(Sources(str(train), str(valid)), tasks["translate"].recipe(made), cache_folder())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=DATA, help="the folder of LANGUAGE.train.tsv and LANGUAGE.valid.tsv"
    )
    parser.add_argument("--language", default="turkish", help="german, spanish or turkish")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=["peer", "ours"])
    parser.add_argument("--updates", nargs="+", type=int, default=[50, 116, 250, 500])
    parser.add_argument("--width", type=int, default=256, help="dimension of embeddings and hidden states")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", help="write the curves here, instead of to results/")
    options = parser.parse_args()
    train, valid = (options.data / f"{options.language}.{split}.tsv" for split in ("train", "valid"))
    if not train.exists():
        print(f"skipped: {train} is not there")
        return
    torch.set_num_threads(options.threads)
    corpus = read_corpus(train, valid, recipe(options.width))
    curves: dict[str, dict[int, list[Any]]] = {}
    for name in options.variants:
        by_updates = curves.setdefault(name, {mark: [] for mark in options.updates})
        for seed in range(1, options.seeds + 1):
            for updates, (nats, exact) in curve(VARIANTS[name], corpus, options.width, seed, options.updates):
                by_updates[updates].append((nats, exact))
                print(f"{name}, seed {seed}, {updates} updates: {nats:.3f} nats, {exact:.3f} exact", flush=True)
    for name, by_updates in curves.items():
        medians = {updates: np.median(scores, axis=0) for updates, scores in by_updates.items()}
        line = [f"{updates}: {nats:.3f} nats, {exact:.3f} exact" for updates, (nats, exact) in medians.items()]
        print(f"{name:24} " + "   ".join(line))
    results = {"data": train.name, "width": options.width, "machine": machine(options.threads), "curves": curves}
    if options.out:
        Path(options.out).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    else:
        write_results("per_update", results)


if __name__ == "__main__":
    main()
