"""Questions on classification, tagging and translation, answered on generated data and on the tagged sentences of the
examples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from questions.trials import (
    Answer,
    Chart,
    Line,
    Trained,
    Variant,
    between,
    by_example,
    by_seed,
    mean_of,
    point,
    table,
    train_all,
)
from questions.worlds import reversed_strings, temporal_order, topic_sentences

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
_SMALL = {"embedding.dim": 16, "embedding.dropout": 0.0, "output.dropout": 0.0, "training.evaluations": 4}
_STEPS = (20, 50, 100)
_GATED = (
    ("lstm", "rnn"),
    ("gru", "rnn"),
    ("lstm", "gru"),
    ("lstm, chrono", "rnn"),
    ("gru, chrono", "rnn"),
    ("lstm, chrono", "gru, chrono"),
)


def gates(folder: Path) -> Answer:
    """The temporal order problem (Hochreiter and Schmidhuber 1997): which of two marks came first, in longer and longer
    texts of words that say nothing."""
    settings = {**_SMALL, "model.hidden_size": 64, "output.pool": "last"}
    cells = {
        "rnn": ("rnn", False),
        "gru": ("gru", False),
        "lstm": ("lstm", False),
        "gru, chrono": ("gru", True),
        "lstm, chrono": ("lstm", True),
    }
    texts = {steps: temporal_order(folder / f"{steps}.tsv", seed=1, steps=steps) for steps in _STEPS}
    variants = [
        Variant(f"{name}, {steps} words", model, {"model.time_scale": steps} if chrono else {}, texts[steps])
        for name, (model, chrono) in cells.items()
        for steps in _STEPS
    ]
    trained = train_all("classify", "", variants, folder, settings, updates=400)
    scores = {each.label: by_example(each) for each in trained}
    lines = [Line(name, [point(steps, scores[f"{name}, {steps} words"]) for steps in _STEPS]) for name in cells]
    return table(
        trained,
        [*between(_GATED, f"{_STEPS[-1]} words"), *between(_GATED[:1], f"{_STEPS[0]} words")],
        "Generated texts with two marks, X or Y each, in the second tenth and in the middle; the label is which "
        "marks in which order, one of four; 1,500 texts, 400 updates, three seeds",
        chart=Chart("words of a text", "accuracy", lines),
    )


def directions(folder: Path) -> Answer:
    """One direction or two, one layer or two, on parts of speech."""
    sentences = (EXAMPLES / "english_ewt.conllu").read_text(encoding="utf-8").strip().split("\n\n")
    parts = {"train": sentences[:84], "valid": sentences[84:102], "test": sentences[102:]}
    paths = {name: folder / f"{name}.conllu" for name in parts}
    for name, part in parts.items():
        paths[name].write_text("\n\n".join(part) + "\n\n", encoding="utf-8")
    variants = [
        Variant(f"{name}, {layers} layer{'s' if layers > 1 else ''}", name, {"model.num_layers": layers})
        for name in ("lstm", "bilstm")
        for layers in (1, 2)
    ]
    # As many parameters as in two directions, in one.
    variants.insert(1, Variant("lstm, 1 wider layer", "lstm", {"model.hidden_size": 106}))
    settings = {"model.hidden_size": 64, "training.evaluations": 6}
    held_out = {"valid": str(paths["valid"]), "test": str(paths["test"])}
    trained = train_all("tag", str(paths["train"]), variants, folder, settings, updates=150, **held_out)
    return table(
        trained,
        [
            ("bilstm, 1 layer", "lstm, 1 layer"),
            ("bilstm, 1 layer", "lstm, 1 wider layer"),
            ("lstm, 2 layers", "lstm, 1 layer"),
            ("bilstm, 2 layers", "bilstm, 1 layer"),
        ],
        f"On english_ewt.conllu, parts of speech, {len(parts['train'])} sentences to train; 150 updates, three seeds",
        {"parameters": mean_of("parameters")},
    )


_TRANSLATOR: dict[str, Any] = {
    "embedding.dim": 32,
    "encoder.hidden_size": 64,
    "decoder.hidden_size": 64,
    "embedding.dropout": 0.0,
    "output.dropout": 0.0,
    "output.label_smoothing": 0.0,
    "training.evaluations": 3,
    "training.learning_rate": 0.004,
    "tokenizer.kind": "character",
    "decoding.beam_size": 1,
}
_SPANS = ((3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16))


def reversal(folder: Path) -> Answer:
    """Strings written from their end, with and without attention; the error by the length of the string."""
    updates, lengths = 500, (3, 12)
    data = reversed_strings(folder / "pairs.tsv", seed=1, lengths=lengths)
    variants = [Variant(model, model) for model in ("rnn", "gru", "lstm", "rnn+attention", "gru+attention")]
    trained = train_all("translate", data, variants, folder, _TRANSLATOR, updates=updates)
    tests = [reversed_strings(folder / f"test{span[0]}.tsv", seed=2, pairs=100, lengths=span) for span in _SPANS]
    return table(
        trained,
        [
            ("gru+attention", "gru"),
            ("rnn+attention", "rnn"),
            ("gru+attention", "rnn+attention"),
            ("rnn", "gru"),
            ("rnn", "lstm"),
        ],
        f"Generated strings of {lengths[0]} to {lengths[1]} letters and their reversals, 3,000 pairs; {updates} "
        "updates, three seeds",
        chart=Chart("letters", "token error rate", [_errors_by_length(each, tests) for each in trained]),
    )


def _errors_by_length(trained: Trained, tests: Sequence[str]) -> Line:
    points = []
    for span, test in zip(_SPANS, tests, strict=True):
        errors = [run.evaluate(test)["token_error_rate"] for run in trained.runs]
        points.append(point(sum(span) / 2, by_seed(trained.label, errors)))
    return Line(trained.label, [[x, y, max(low, 0.0), high] for x, y, low, high in points])


_FORCED_UPDATES = (75, 150, 300)


def teacher_forcing(folder: Path) -> Answer:
    """The true last token as input of the decoder in training, against its own prediction (Bengio et al. 2015), by the
    length of the training."""
    data = reversed_strings(folder / "pairs.tsv", seed=1)
    shares = {"always the true token": 0.0, "three times in four": 0.25, "never": 1.0}
    trained: dict[str, list[Trained]] = {label: [] for label in shares}
    for updates in _FORCED_UPDATES:
        variants = [
            Variant(f"{label}, {updates} updates", "gru+attention", {"decoder.scheduled_sampling": share})
            for label, share in shares.items()
        ]
        runs = train_all("translate", data, variants, folder / str(updates), _TRANSLATOR, updates=updates)
        for label, run in zip(shares, runs, strict=True):
            trained[label].append(run)
    lines = [
        Line(label, [point(n, by_example(each)) for n, each in zip(_FORCED_UPDATES, runs, strict=True)])
        for label, runs in trained.items()
    ]
    always, often, never = shares
    return table(
        [each for runs in trained.values() for each in runs],
        [
            contrast
            for updates in _FORCED_UPDATES
            for contrast in between([(always, often), (always, never)], f"{updates} updates")
        ],
        "Generated strings of 3 to 12 letters and their reversals, 3,000 pairs; gru+attention, three seeds",
        chart=Chart("updates", "exact match", lines, log_x=True),
    )


_LABELLED = (50, 200, 800)
_WORDS = 32


def word_inputs(folder: Path) -> Answer:
    """One-hot counts, trained embeddings, and embeddings from text without labels, by the number of labelled texts."""
    sentences = topic_sentences(np.random.default_rng(1), 10_000, topics=8, each=200, of_topic=2)
    held_out = {
        name: _labelled(folder / f"{name}.tsv", part)
        for name, part in (("valid", sentences[:100]), ("test", sentences[100:700]))
    }
    plain = folder / "plain.txt"
    plain.write_text("".join(f"{text}\n" for _, text in sentences[2_000:]), encoding="utf-8")
    vectors = train_all(
        "vectors", str(plain), [Variant("vectors", "skipgram", deterministic=True)], folder / "vectors",
        {"model.dim": _WORDS, "tokenizer.min_count": 2}, epochs=4,
    )[0].runs[0]  # fmt: skip
    texts = {"tokenizer.min_count": 1, "training.evaluations": 8}
    network = {**texts, "output.pool": "mean", "model.hidden_size": 32, "training.learning_rate": 0.01}
    models: dict[str, tuple[str, dict[str, Any]]] = {
        "one-hot, counted (bow)": ("bow", {**texts, "model.min_count": 1, "model.order": 1}),
        "embeddings (ffnn)": ("ffnn", {**network, "embedding.dim": _WORDS}),
        "embeddings in order (gru)": ("gru", {**network, "embedding.dim": _WORDS}),
        "embeddings from unlabelled text (ffnn)": (
            "ffnn",
            {**network, "embedding.dim": _WORDS, "embedding.from": str(vectors.folder)},
        ),
    }
    lines, trained = [], []
    for label, (model, settings) in models.items():
        by_number = []
        for number in _LABELLED:
            data = _labelled(folder / f"{number}.tsv", sentences[700 : 700 + number])
            variant = Variant(f"{label}, {number}", model, settings)
            runs = train_all("classify", data, [variant], folder / variant.label, {}, updates=300, **held_out)[0]
            by_number.append(runs)
        lines.append(Line(label, [point(n, by_example(each)) for n, each in zip(_LABELLED, by_number, strict=True)]))
        trained += by_number
    bow, embedded, ordered, pretrained = models
    return table(
        trained,
        [
            *between([(pretrained, embedded), (pretrained, bow)], 50),
            *between([(bow, embedded)], 200),
            *between([(bow, embedded), (pretrained, bow), (embedded, ordered)], 800),
        ],
        "Generated texts on 8 topics with 200 words each; 8,000 texts without labels; 300 updates, three seeds",
        chart=Chart("labelled texts", "accuracy", lines, log_x=True),
    )


def _labelled(path: Path, sentences: Iterable[tuple[int, str]]) -> str:
    path.write_text("".join(f"{topic}\t{text}\n" for topic, text in sentences), encoding="utf-8")
    return str(path)
