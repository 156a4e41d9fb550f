"""The questions of the field, answered by a comparison: memory, gates, directions, attention, recurrence, depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from seqloom.comparison.differences import Difference
from seqloom.comparison.scoreboard import Row
from seqloom.comparison.statistics import ALPHA
from seqloom.comparison.verdict import p_text, plain

_WINDOWS = ("ar", "ffnn", "nnlm")
_GATED = ("gru", "lstm", "mingru")
_RECURRENT = ("rnn", *_GATED, "ntm")
_COUNTED = ("ngram", "mix")
_LAYERS = "num_layers"


class ModelFacts(NamedTuple):
    """A model on the scoreboard: the model, and all its settings by their dotted names."""

    model: str
    settings: Mapping[str, Any]

    @property
    def base(self) -> str:
        """The layer: `lstm` of `bilstm+attention`."""
        name = self.model.partition("+")[0]
        return name[2:] if name.startswith("bi") else name

    @property
    def is_window(self) -> bool:
        """Whether the model reads a window of elements; the `ffnn` of `classify` reads the mean of all."""
        return self.base == "cnn" or (self.base in _WINDOWS and "model.order" in self.settings)

    @property
    def layers(self) -> int:
        """The number of stacked layers, of encoder and decoder together; 0 if the model has none."""
        return sum(value for name, value in self.settings.items() if name.rsplit(".", 1)[-1] == _LAYERS)


class Answer(NamedTuple):
    """A question of the field in a word, and the answer in a sentence with its numbers."""

    topic: str
    text: str


def answers(
    rows: Sequence[Row], pairs: Sequence[Difference], facts: Mapping[str, ModelFacts], score: str
) -> list[Answer]:
    """The questions that the models of this comparison answer. `rows` are sorted, the best first; models that `pairs`
    does not hold are left out."""
    tested = {d.model for d in pairs} | {d.reference for d in pairs}
    ranked = [row.model for row in rows if row.model in tested]
    by_pair = {(d.reference, d.model): d for d in pairs}

    def best(condition: Callable[[ModelFacts], bool]) -> str | None:
        return next((name for name in ranked if condition(facts[name])), None)

    def answer(topic: str, first: str | None, second: str | None, yes: str, no: str) -> list[Answer]:
        """`yes` if `first` is better, `no` if `second` is."""
        if first is None or second is None or first == second:
            return []
        better, worse = (first, second) if ranked.index(first) < ranked.index(second) else (second, first)
        return [Answer(topic, _sentence(by_pair[better, worse], yes if better == first else no, score))]

    result = answer(
        "Memory",
        best(lambda f: f.base in _RECURRENT),
        best(lambda f: f.is_window),
        "a recurrent network beats a window of the last elements",
        "a window of the last elements beats a recurrent network",
    )
    for topic, pair, yes, no in _variants(ranked, facts):
        result += answer(topic, *pair, yes, no)
    result += answer(
        "Recurrence",
        best(lambda f: f.base in _RECURRENT),
        best(lambda f: f.base == "transformer"),
        "recurrence beats attention alone",
        "attention alone beats recurrence",
    )
    result += answer(
        "Counting or learning",
        best(lambda f: f.model not in _COUNTED),
        best(lambda f: f.model in _COUNTED),
        "a network learns more than counts tell",
        "counting is enough",
    )
    result += answer(
        "Order of words",
        best(lambda f: f.model != "bow"),
        best(lambda f: f.model == "bow"),
        "a network adds to a bag of words",
        "a bag of words is enough",
    )
    return result


def _variants(ranked: Sequence[str], facts: Mapping[str, ModelFacts]) -> list[tuple[str, tuple[str, str], str, str]]:
    """The best pair of models that differ in one thing only, for each such thing: the topic, the pair, and what is
    said if the first or the second is better."""
    kinds: list[tuple[str, Callable[[ModelFacts, ModelFacts], bool], str, str]] = [
        ("Gates", _differ_in_gates, "gates help", "gates do not help"),
        (
            "Directions",
            lambda a, b: a.model == f"bi{b.model}",
            "reading in both directions helps",
            "one direction is enough",
        ),
        ("Attention", lambda a, b: a.model == f"{b.model}+attention", "attention helps", "attention does not help"),
        ("Depth", _differ_in_depth, "more layers help", "fewer layers are enough"),
    ]
    result = []
    for topic, matches, yes, no in kinds:
        matching = [(a, b) for a in ranked for b in ranked if a != b and matches(facts[a], facts[b])]
        if matching:
            pair = min(matching, key=lambda pair: ranked.index(pair[0]) + ranked.index(pair[1]))
            result.append((topic, pair, yes, no))
    return result


def _differ_in_gates(first: ModelFacts, second: ModelFacts) -> bool:
    """The same architecture, once with a gated cell and once with a plain one."""
    return first.base in _GATED and second.base == "rnn" and first.model == second.model.replace("rnn", first.base)


def _differ_in_depth(first: ModelFacts, second: ModelFacts) -> bool:
    """The same model with more layers, and nothing else."""
    changed = {
        n for n in first.settings.keys() | second.settings.keys() if first.settings.get(n) != second.settings.get(n)
    }
    return (
        first.model == second.model
        and first.layers > second.layers
        and all(name.rsplit(".", 1)[-1] == _LAYERS for name in changed)
    )


def _sentence(difference: Difference, claim: str, score: str) -> str:
    metric = score.rpartition(" ")[2]
    size = f"{difference.reference} is ahead of {difference.model} by {plain(difference.difference)} {metric}"
    if difference.p is None:
        return f"perhaps {claim}: {size}, which is an order and no more."
    interval = ""
    if difference.low is not None and difference.high is not None:
        interval = f"95 % interval {plain(difference.low)} to {plain(difference.high)}, "
    if difference.told_apart:
        return f"{claim}: {size} ({interval}{p_text(difference.p)})."
    chance = "which includes 0" if difference.p < ALPHA else p_text(difference.p)
    return f"not enough evidence that {claim}: {size} ({interval}{chance})."
