"""The models that count: fitted in one go. The run's folder is that of a training, with one row of metrics."""

from __future__ import annotations

import time
from pathlib import Path

from seqloom.data.corpus import Corpus
from seqloom.data.text import TextCodec
from seqloom.data.token_file import TokenFile
from seqloom.models.counted import Counted
from seqloom.runtime import Runtime
from seqloom.tasks.network_task import evaluate
from seqloom.training.budget import Progress
from seqloom.training.progress import Display, MetricsFile
from seqloom.training.ranks import Ranks
from seqloom.training.validation import Validation


def fit(
    model: Counted,
    corpus: Corpus[str, TokenFile],
    validation: Validation,
    folder: Path,
    runtime: Runtime,
    ranks: Ranks,
    display: Display,
) -> Progress:
    """Fits on the first rank, saves, and opens what was saved on every rank: what is memory-mapped is there once.

    Stopped at any moment, it leaves no model; `resume` then begins anew.
    """
    started = time.monotonic()
    if runtime.rank == 0:
        assert isinstance(corpus.codec, TextCodec)
        model.fit(corpus.train, corpus.valid, corpus.codec.tokenizer.vocab_size)
        model.save(folder)
    ranks.barrier()
    model.open(folder)
    progress = Progress(epoch=1, targets=len(corpus.train), sequences=corpus.train.num_lines, finished=True)
    fitted = time.monotonic()
    scores = evaluate(validation.task, validation.trained, validation.data, runtime.device, brief=True)
    progress.all_evaluations_seconds = time.monotonic() - fitted
    progress.seconds = time.monotonic() - started
    progress.best = scores[validation.score.name]
    row = {
        "updates": 0,
        "epoch": 1.0,
        "seconds": round(progress.seconds, 3),
        "targets": progress.targets,
        "targets_per_second": round(progress.targets_per_second(), 1),
        **{f"valid_{name}": score for name, score in scores.items()},
    }
    if runtime.rank == 0:
        metrics = MetricsFile(folder / "metrics.jsonl")
        metrics.keep_until(-1)
        metrics.add(row)
    display.evaluated(1.0, {validation.score.name: progress.best} | scores, row)
    return progress
