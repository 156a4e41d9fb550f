"""Questions on language models, answered on the first third of Moby Dick and on generated text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from questions.moby_dick import first_lines
from questions.trials import Answer, Trained, Variant, mean_of, table, train_all
from questions.worlds import markov_text, remembered_text

_LINES = 850
_TOKENS = {"tokenizer.kind": "bpe", "tokenizer.vocab_size": 2_000}
_SMALL: dict[str, Any] = {
    **_TOKENS,
    "embedding.dim": 96,
    "output.kind": "full",
    "training.evaluations": 5,
    "embedding.dropout": 0.1,
    "output.dropout": 0.1,
}
_HIDDEN = {"model.hidden_size": 128}
_TINY: dict[str, Any] = {
    "tokenizer.min_count": 1,
    "embedding.dim": 32,
    "training.evaluations": 5,
    "embedding.dropout": 0.0,
    "output.dropout": 0.0,
    "training.learning_rate": 0.005,
    "model.hidden_size": 64,
}


def _on_moby_dick(rest: str) -> str:
    return f"On moby_dick.txt, its first {_LINES} lines, 2,000 byte pairs; {rest}, three seeds"


def stream(folder: Path) -> Answer:
    """A window of four words against a recurrent network, where the last two words decide and where a word eleven
    words before does."""
    worlds = {
        "the last two words decide": markov_text(folder / "markov.txt", seed=1),
        "a word further back decides": remembered_text(folder / "remembered.txt", seed=1, lag=10),
    }
    variants = [
        Variant(f"{model}, {world}", model, {"data.mode": "lines"}, data)
        for world, data in worlds.items()
        for model in ("ffnn", "lstm")
    ]
    trained = train_all("language-model", "", variants, folder, _TINY, updates=400)
    near, far = worlds
    return table(
        trained,
        [(f"ffnn, {near}", f"lstm, {near}"), (f"ffnn, {far}", f"lstm, {far}")],
        "Generated lines: 400 in which each pair of words has three possible next ones, and 600 that end with the word "
        "with which they began, ten random words later; 400 updates, three seeds",
    )


def families(folder: Path) -> Answer:
    """N-gram model, windows, recurrent networks and a Transformer with the same number of updates."""
    updates = 300
    equal = {"data.horizon": 35, "data.batch_size": 20}
    variants = [
        Variant("ngram", "ngram", {"model.order": 4}, deterministic=True),
        Variant("nnlm", "nnlm", _HIDDEN),
        Variant("ffnn", "ffnn", _HIDDEN),
        Variant("rnn", "rnn", _HIDDEN),
        Variant("gru", "gru", _HIDDEN),
        Variant("lstm", "lstm", _HIDDEN),
        Variant("transformer", "transformer", {"model.model_dim": 96, "model.num_layers": 2, **equal}),
    ]
    data, trained = first_lines(_LINES, folder), list[Trained]()
    for variant in variants:
        settings = _TOKENS if variant.deterministic else _SMALL
        budget: dict[str, Any] = {"epochs": 1} if variant.deterministic else {"updates": updates}
        trained += train_all("language-model", data, [variant], folder / variant.model, settings, **budget)
    trained.append(_mixed(trained[0], trained[4], data, folder))
    contrasts = [
        ("ngram", "nnlm"),
        ("ngram + gru, mixed", "ngram"),
        ("gru", "nnlm"),
        ("lstm", "rnn"),
        ("gru", "lstm"),
        ("gru", "ffnn"),
        ("gru", "transformer"),
        ("lstm", "transformer"),
    ]
    trained_on = _on_moby_dick(f"{updates} updates of 700 tokens for each network")
    return table(trained, contrasts, trained_on, {"seconds of training": mean_of("seconds")})


def _mixed(counted: Trained, network: Trained, data: str, folder: Path) -> Trained:
    """The n-gram model interpolated with each of the networks."""
    runs = []
    for number, run in enumerate(network.runs):
        parts = [str(counted.runs[0].folder), str(run.folder)]
        variant = Variant("ngram + gru, mixed", "mix", {"model.parts": parts}, deterministic=True)
        runs += train_all("language-model", data, [variant], folder / f"mix{number}", {}, epochs=1)[0].runs
    return Trained(Variant("ngram + gru, mixed", "mix"), runs)


def truncation(folder: Path) -> Answer:
    """Truncated backpropagation through time, from two steps on; each training sees the same text as often, in
    updates of as many tokens."""
    epochs, tokens = 1.5, 700
    variants = [
        Variant(_steps(steps), "lstm", {**_HIDDEN, "data.horizon": steps, "data.batch_size": tokens // steps})
        for steps in (1, 4, 12, 35, 70)
    ]
    trained = train_all("language-model", first_lines(_LINES, folder), variants, folder, _SMALL, epochs=epochs)
    return table(
        trained,
        [("35 steps", "1 step"), ("35 steps", "4 steps"), ("35 steps", "12 steps"), ("35 steps", "70 steps")],
        _on_moby_dick(f"lstm, {epochs} epochs in updates of {tokens} tokens"),
    )


def _steps(number: int) -> str:
    return f"{number} step{'s' if number > 1 else ''}"


def noise(folder: Path) -> Answer:
    """Kneser-Ney noise in the training text from its fifth reading on."""
    trained = list[Trained]()
    for epochs in (6, 12):
        amounts = {f"{epochs} epochs": 0.0, f"{epochs} epochs with noise": 0.2}
        variants = [Variant(label, "lstm", {**_HIDDEN, "data.noise": amount}) for label, amount in amounts.items()]
        data = first_lines(_LINES, folder)
        trained += train_all("language-model", data, variants, folder / str(epochs), _SMALL, epochs=epochs)
    return table(
        trained,
        [("6 epochs", "6 epochs with noise"), ("12 epochs", "12 epochs with noise")],
        _on_moby_dick("lstm, data.noise 0 and 0.2"),
    )


def initial_state(folder: Path) -> Answer:
    """A learned initial state against zeros, where every line begins with it."""
    updates = 200
    variants = [
        Variant(state, "lstm", {**_HIDDEN, "data.mode": "lines", "model.initial_state": state})
        for state in ("zeros", "learned")
    ]
    trained = train_all("language-model", first_lines(_LINES, folder), variants, folder, _SMALL, updates=updates)
    return table(trained, [("zeros", "learned")], _on_moby_dick(f"lstm, each line by itself, {updates} updates"))


def batches(folder: Path) -> Answer:
    """One sequence for each update, which is online learning, against batches; the same number of epochs."""
    sizes = {1: 0.001, 5: 0.002, 20: 0.003, 60: 0.004}
    variants = [
        Variant(
            f"{size} sequences" if size > 1 else "1 sequence",
            "lstm",
            {**_HIDDEN, "data.batch_size": size, "training.learning_rate": rate},
        )
        for size, rate in sizes.items()
    ]
    trained = train_all("language-model", first_lines(_LINES, folder), variants, folder, _SMALL, epochs=1)
    labels = [variant.label for variant in variants]
    return table(
        trained,
        [(labels[0], labels[1]), (labels[1], labels[2]), (labels[2], labels[3])],
        _on_moby_dick("lstm, one epoch, learning rates " + _listed(list(sizes.values()))),
        {"updates": mean_of("updates"), "seconds of training": mean_of("seconds")},
    )


def _listed(numbers: Sequence[float]) -> str:
    return f"{', '.join(f'{number:g}' for number in numbers[:-1])} and {numbers[-1]:g}"
