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
from questions.worlds import copies_and_reversals, neighbour_tags, reversed_strings, temporal_order, topic_sentences

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


_TEST_SENTENCES = 50


def directions(folder: Path) -> Answer:
    """One direction or two, one layer or two: on tags that the word before or the next word decides, and on parts of
    speech."""
    # Two layers that read both ways cannot be a language model too, so that none is.
    settings = {"model.hidden_size": 64, "language_model_weight": 0.0, "training.evaluations": 6}
    trained = []
    for word in ("previous", "next"):
        paths = {
            name: neighbour_tags(folder / f"{word}-{name}.txt", seed, number, next_word=word == "next")
            for seed, (name, number) in enumerate((("train", 300), ("valid", 50), ("test", _TEST_SENTENCES)))
        }
        variants = [Variant(f"{name}, the {word} word decides", name) for name in ("lstm", "bilstm")]
        trained += _taggers(paths, variants, folder / word, settings)
    sentences = (EXAMPLES / "english_ewt.conllu").read_text(encoding="utf-8").strip().split("\n\n")
    parts = {"train": sentences[:84], "valid": sentences[84:102], "test": sentences[102:]}
    assert len(parts["test"]) == _TEST_SENTENCES
    paths = {name: str(folder / f"{name}.conllu") for name in parts}
    for name, part in parts.items():
        Path(paths[name]).write_text("\n\n".join(part) + "\n\n", encoding="utf-8")
    variants = [
        Variant("lstm, English", "lstm"),
        Variant("lstm of 106 units, English", "lstm", {"model.hidden_size": 106}),  # as many parameters as the bilstm
        Variant("lstm, 2 layers, English", "lstm", {"model.num_layers": 2}),
        Variant("bilstm, English", "bilstm"),
        Variant("bilstm, 2 layers, English", "bilstm", {"model.num_layers": 2}),
    ]
    trained += _taggers(paths, variants, folder / "english", settings)
    return table(
        trained,
        [
            *between([("bilstm", "lstm")], "the previous word decides"),
            *between([("bilstm", "lstm")], "the next word decides"),
            *between([("bilstm", "lstm of 106 units")], "English"),
            *between([("lstm, 2 layers", "lstm"), ("bilstm, 2 layers", "bilstm")], "English"),
        ],
        "Generated sentences, 300 to train, each of whose words has one of two tags, and the parts of speech of "
        f"english_ewt.conllu, {len(parts['train'])} sentences to train; one layer of 64 units unless it says another "
        "number, 300 updates, three seeds",
        {"parameters": mean_of("parameters")},
    )


def _taggers(paths: dict[str, str], variants: list[Variant], folder: Path, settings: dict[str, Any]) -> list[Trained]:
    held_out = {"valid": paths["valid"], "test": paths["test"]}
    return train_all("tag", paths["train"], variants, folder, settings, updates=300, **held_out)


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


def teacher_forcing(folder: Path) -> Answer:
    """The true last token as input of the decoder in training, against its own prediction (Bengio et al. 2015), where a
    source has one right target and where it has two (Huszar 2015)."""
    updates, lengths = 500, (3, 8)
    data = {
        "one right target": reversed_strings(folder / "one.tsv", seed=1, lengths=lengths),
        "two right targets": copies_and_reversals(folder / "two.tsv", seed=1, lengths=lengths),
    }
    shares = {"always the true token": 0.0, "three times in four": 0.25, "never": 1.0}
    variants = [
        Variant(f"{label}, {targets}", "gru+attention", {"decoder.scheduled_sampling": share}, data[targets])
        for targets in data
        for label, share in shares.items()
    ]
    settings = {**_TRANSLATOR, "training.learning_rate": 0.008}
    trained = train_all("translate", "", variants, folder, settings, updates=updates)
    always, often, never = shares
    return table(
        trained,
        [contrast for targets in data for contrast in between([(always, often), (always, never)], targets)],
        f"Generated strings of {lengths[0]} to {lengths[1]} letters, 3,000 pairs: the target is the reversed string "
        "(one right target), or that or the string itself by chance (two: the best model is right half of the time); "
        f"gru+attention, {updates} updates, three seeds",
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
