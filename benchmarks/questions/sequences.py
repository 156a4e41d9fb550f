"""Questions on classification, tagging and translation, answered on generated data and the tagged sentences of the
examples."""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Any

from questions.trials import Answer, Trained, Variant, table, train_all
from questions.worlds import remembered_word, reversed_strings, topic_sentences

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMALL = {"embedding.dim": 16, "embedding.dropout": 0.0, "output.dropout": 0.0, "training.evaluations": 4}
LAGS = (5, 20, 60)
CELLS = ("rnn", "gru", "lstm")


def gates(folder: Path) -> Answer:
    """What the first word of a text was, after more and more words that say nothing."""
    variants = [
        Variant(
            f"{cell}, {lag} words later",
            cell,
            {"model.hidden_size": 32, "output.pool": "last"},
            data=remembered_word(folder / f"lag{lag}.tsv", seed=1, lag=lag, examples=800),
        )
        for lag in LAGS
        for cell in CELLS
    ]
    trained = train_all("classify", "", variants, folder, SMALL, updates=250)
    return table(trained, "generated texts: the first word is the label; 800 examples, 250 updates, three seeds")


def directions(folder: Path) -> Answer:
    """One direction or two, one layer or two, on parts of speech."""
    variants = [
        Variant(f"{name}, {layers} layer{'s' if layers > 1 else ''}", name, {"model.num_layers": layers})
        for name in ("lstm", "bilstm")
        for layers in (1, 2)
    ]
    settings = {"model.hidden_size": 64, "training.evaluations": 4}
    trained = train_all("tag", str(EXAMPLES / "english_ewt.conllu"), variants, folder, settings, updates=150)
    return table(
        trained,
        "english_ewt.conllu, parts of speech; 150 updates, three seeds",
        {"parameters": lambda each: each.runs[0].summary["parameters"]},
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


def reversal(folder: Path) -> Answer:
    """Strings written from their end, with and without attention; the error by the length of the string."""
    data = reversed_strings(folder / "pairs.tsv", seed=1)
    variants = [Variant(model, model) for model in ("rnn", "gru", "lstm", "gru+attention", "lstm+attention")]
    trained = train_all("translate", data, variants, folder, _TRANSLATOR, updates=500)
    lengths = {"short": (3, 5), "long": (10, 12)}
    tests = {name: reversed_strings(folder / f"{name}.tsv", seed=2, pairs=200, lengths=span)
             for name, span in lengths.items()}  # fmt: skip

    def wrong(name: str) -> Any:
        return lambda each: round(mean(run.evaluate(tests[name])["token_error_rate"] for run in each.runs), 3)

    return table(
        trained,
        "generated strings of 3 to 12 letters and their reversals; 3,000 pairs, 500 updates, three seeds",
        {f"token error, {low} to {high} letters": wrong(name) for name, (low, high) in lengths.items()},
    )


def teacher_forcing(folder: Path) -> Answer:
    """The true last token as input of the decoder in training, against its own prediction (Bengio et al. 2015)."""
    data = reversed_strings(folder / "pairs.tsv", seed=1)
    shares = {"always": 0.0, "three times in four": 0.25, "never": 1.0}
    variants = [
        Variant(f"true token: {name}", "gru+attention", {"decoder.scheduled_sampling": share})
        for name, share in shares.items()
    ]
    trained = train_all("translate", data, variants, folder, _TRANSLATOR, updates=300)
    return table(trained, "generated strings of 3 to 12 letters and their reversals; gru+attention, 300 updates, "
                 "three seeds")  # fmt: skip


def word_inputs(folder: Path) -> Answer:
    """One-hot counts, trained embeddings and embeddings from text without labels, with few labels."""
    import numpy as np

    random = np.random.default_rng(1)
    sentences = topic_sentences(random, 8_700, topics=8, each=60)
    labelled, plain = folder / "labelled.tsv", folder / "plain.txt"
    test = folder / "test.tsv"
    valid = folder / "valid.tsv"
    for path, part in ((labelled, sentences[:100]), (valid, sentences[100:200]), (test, sentences[200:700])):
        path.write_text("".join(f"{topic}\t{text}\n" for topic, text in part), encoding="utf-8")
    plain.write_text("".join(f"{text}\n" for _, text in sentences[700:]), encoding="utf-8")
    vectors = train_all(
        "vectors", str(plain), [Variant("vectors", "skipgram", deterministic=True)], folder / "vectors",
        {"model.dim": 32, "tokenizer.min_count": 2}, epochs=4,
    )[0].runs[0]  # fmt: skip
    texts = {"tokenizer.min_count": 1}
    network = {**texts, "training.evaluations": 10, "output.pool": "mean"}
    variants = [
        Variant("one-hot counts (bow)", "bow", {"model.min_count": 1, "model.order": 1}),
        Variant("embeddings, trained (ffnn)", "ffnn", {**network, "embedding.dim": 32}),
        Variant("embeddings, from unlabelled text (ffnn)", "ffnn", {**network, "embedding.from": str(vectors.folder)}),
        Variant("embeddings in order (gru)", "gru", {**network, "embedding.dim": 32, "model.hidden_size": 32}),
    ]
    trained = [
        each
        for number, variant in enumerate(variants)
        for each in _train_labelled(labelled, valid, test, variant, folder / str(number))
    ]
    return table(trained, "generated texts on 8 topics; 100 labelled examples, 8,000 sentences without labels, "
                 "500 test examples, three seeds")  # fmt: skip


def _train_labelled(data: Path, valid: Path, test: Path, variant: Variant, folder: Path) -> list[Trained]:
    budget = {"valid": str(valid), "test": str(test)}
    return train_all("classify", str(data), [variant], folder, {}, updates=200, **budget)
