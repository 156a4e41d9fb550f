"""Questions on language models, answered on the first third of Moby Dick."""

from __future__ import annotations

from pathlib import Path
from statistics import mean

from questions.trials import Answer, Trained, Variant, table, train_all

TEXT = Path(__file__).resolve().parents[2] / "examples" / "moby_dick.txt"
LINES = 850
UPDATES = 300
SMALL = {
    "tokenizer.kind": "bpe",
    "tokenizer.vocab_size": 2_000,
    "embedding.dim": 96,
    "output.kind": "full",
    "training.evaluations": 5,
    "embedding.dropout": 0.1,
    "output.dropout": 0.1,
}
HIDDEN = {"model.hidden_size": 128}


def _text(folder: Path) -> str:
    lines = TEXT.read_text(encoding="utf-8").splitlines()[:LINES]
    path = folder / "moby_dick.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def _words(trained: Trained) -> str:
    summary = trained.runs[0].summary
    return f"{summary['epochs']:.1f}"


def _minutes(trained: Trained) -> float:
    return mean(trained.summaries("seconds")) / 60


def _said(updates: int | None, what: str = "") -> str:
    budget = f"{updates} updates" if updates else what
    return f"moby_dick.txt, its first {LINES} lines; byte pairs, 2,000 tokens; {budget}, three seeds, one thread"


def families(folder: Path) -> Answer:
    """N-gram, window, recurrent networks and a Transformer with the same number of updates."""
    variants = [
        Variant("ngram, order 4", "ngram", {"order": 4}, deterministic=True),
        Variant("nnlm (window)", "nnlm", {"model.hidden_size": 128}),
        Variant("ffnn (window)", "ffnn", {"model.hidden_size": 128}),
        Variant("rnn", "rnn", HIDDEN),
        Variant("gru", "gru", HIDDEN),
        Variant("lstm", "lstm", HIDDEN),
        Variant("transformer", "transformer", {"model.model_dim": 96, "model.num_layers": 2}),
    ]
    trained = []
    for variant in variants:
        settings = {"tokenizer.kind": "bpe", "tokenizer.vocab_size": 2_000} if variant.deterministic else SMALL
        budget = {"epochs": 1} if variant.deterministic else {"updates": UPDATES}
        trained += train_all("language-model", _text(folder), [variant], folder / variant.model, settings, **budget)
    return table(trained, _said(UPDATES), {"seconds": lambda each: round(mean(each.summaries("seconds")), 1)})


def truncation(folder: Path) -> Answer:
    """Truncated backpropagation through time, from two steps on; each training sees the text equally often."""
    variants = [Variant(f"{steps} steps", "lstm", {**HIDDEN, "data.horizon": steps}) for steps in (2, 5, 10, 35)]
    trained = train_all("language-model", _text(folder), variants, folder, SMALL, epochs=2)
    return table(trained, _said(None, "lstm, two epochs"), {"updates": lambda each: each.runs[0].summary["updates"]})


def initial_state(folder: Path) -> Answer:
    """A learnt initial state against zeros, where every line begins with it."""
    variants = [
        Variant(name, "lstm", {**HIDDEN, "data.mode": "lines", "model.initial_state": state})
        for name, state in (("zeros", "zeros"), ("learned", "learned"))
    ]
    trained = train_all("language-model", _text(folder), variants, folder, SMALL, updates=200)
    return table(trained, _said(200, "") + "; lstm, each line by itself")


def batches(folder: Path) -> Answer:
    """One sequence for each update, which is online learning, against batches; the same number of epochs."""
    variants = [
        Variant(f"{size} a batch", "lstm", {**HIDDEN, "data.batch_size": size, "training.learning_rate": rate})
        for size, rate in ((1, 0.001), (5, 0.002), (20, 0.004), (60, 0.008))
    ]
    trained = train_all("language-model", _text(folder), variants, folder, SMALL, epochs=1.5)
    return table(
        trained,
        _said(None, "lstm, one and a half epochs"),
        {
            "updates": lambda each: each.runs[0].summary["updates"],
            "seconds": lambda each: round(mean(each.summaries("seconds")), 1),
        },
    )
