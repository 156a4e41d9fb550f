"""Small sentences to train on: names of two kinds, which their words and what stands before them give away."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import seqloom
from tests.support.shared import shared
from tests.support.small_runs import assert_same_run, signal_after

SMALL_NETWORK = {
    "words.dim": 8,
    "characters.dim": 4,
    "characters.hidden_size": 3,
    "data.tokens_per_batch": 60,
    "input_dropout": 0.0,
    "output_dropout": 0.0,
    "language_model_weight": 0.0,
    "training.checkpoint_seconds": 0,
    "training.evaluations": 2,
    "training.learning_rate": 0.02,
}
SIZES = {"hidden_size": 8, "model_dim": 8, "num_heads": 2, "num_layers": 1, "output_size": 6, "order": 3}

_PEOPLE, _PLACES = ("Ada", "Grace", "Kurt", "Emmy"), ("Paris", "Rome", "Oslo", "Lima")
_SURNAMES = ("Stone", "Miller", "West")


def sentence(rng: random.Random) -> list[tuple[str, str]]:
    """Words and their tags."""
    words = [("Then", "O")] if rng.random() < 0.5 else []
    words += [(rng.choice(_PEOPLE), "B-PER")]
    words += [(rng.choice(_SURNAMES), "I-PER")] if rng.random() < 0.5 else []
    words += [(rng.choice(("went", "walked", "flew")), "O"), ("to", "O"), (rng.choice(_PLACES), "B-LOC")]
    words += [("City", "I-LOC")] if rng.random() < 0.3 else []
    words += [(str(rng.randint(1, 99)), "O"), ("times", "O")] if rng.random() < 0.4 else []
    return [*words, (".", "O")]


def write_sentences(path: Path, sentences: int = 150, seed: int = 5) -> str:
    """CoNLL columns: a word, and its tag."""
    rng = random.Random(seed)
    found = [sentence(rng) for _ in range(sentences)]
    path.write_text("\n".join("".join(f"{word} {tag}\n" for word, tag in words) for words in found), encoding="utf-8")
    return str(path)


KINDS = {"O": "word", "B-PER": "name", "I-PER": "name", "B-LOC": "name", "I-LOC": "name"}


def write_sentences_with_kinds(path: Path) -> str:
    """CoNLL columns: a word, its kind, its length, and its tag."""
    rows = [line.split() for line in Path(write_sentences(path)).read_text().split("\n")]
    columns = (f"{row[0]} {KINDS[row[1]]} {len(row[0])} {row[1]}" if row else "" for row in rows)
    path.write_text("\n".join(columns))
    return str(path)


def small_model(model: str) -> dict[str, int]:
    """The sizes that a model has, small."""
    from seqloom.nn.layer import layers

    return {f"model.{name}": value for name, value in SIZES.items() if name in layers[model].settings.model_fields}


def train_tagger(
    out: Path, *, model: str = "bilstm", updates: int = 4, resume: bool = False, **settings: object
) -> seqloom.Run:
    """A run in `out` of sentences beside it; settings are written with `__` for their dots."""
    data = out.parent / "sentences.conll"
    if not data.exists():
        write_sentences(data)
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    return seqloom.train(
        "tag",
        str(data),
        model=model,
        updates=updates,
        out=out,
        threads=1,
        quiet=True,
        resume=resume,
        settings={**SMALL_NETWORK, **small_model(model), **dotted},
    )


def shared_tagger(factory: pytest.TempPathFactory, **options: object) -> seqloom.Run:
    """A run for a whole module of tests, which come after the cache of one test is set."""
    return shared(factory, train_tagger, **options)


def assert_resumes(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    """Stopped after three of six updates and resumed, a training is the unbroken one."""
    train_tagger(folder / "unbroken", updates=6, output_dropout=0.3, **settings)
    with monkeypatch.context() as patch:
        signal_after(patch, 3)
        stopped = train_tagger(folder / "run", updates=6, output_dropout=0.3, **settings)
        assert not stopped.summary["finished"]
    train_tagger(folder / "run", updates=6, output_dropout=0.3, resume=True, **settings)
    assert_same_run(folder / "unbroken", folder / "run")
