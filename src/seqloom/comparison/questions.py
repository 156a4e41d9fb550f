"""The questions of the field that a comparison answers: memory, gates, directions, attention, depth, ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from seqloom.comparison.differences import Difference
from seqloom.comparison.scoreboard import Row
from seqloom.comparison.statistics import ALPHA
from seqloom.comparison.verdict import metric_name, p_text, plain

_WINDOWS = ("ar", "ffnn", "nnlm")
_GATED = ("gru", "lstm", "mingru")
_RECURRENT = ("rnn", *_GATED, "ntm")
_COUNTED = ("ngram", "mix")
_NAIVE = ("naive", "seasonal-naive", "drift")
_LINEAR = ("ar", "ridge")
_ONE_FOR_EACH = ("ar", "ets", "theta")
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
    """A question of the field in a word, and the answer in a sentence with its numbers. `better` and `worse` are the
    models that answer it; `told_apart`: whether their difference is significant."""

    topic: str
    text: str
    better: str
    worse: str
    told_apart: bool


Condition = Callable[[ModelFacts], bool]


class Question(NamedTuple):
    """Answered by the best model of the `first` condition and the best of the `second`: `yes` if the first is better,
    `no` if the second is."""

    topic: str
    first: Condition
    second: Condition
    yes: str
    no: str


def _is_recurrent(facts: ModelFacts) -> bool:
    return facts.base in _RECURRENT


_COMMON = (
    Question(
        "Memory",
        _is_recurrent,
        lambda f: f.is_window,
        "a recurrent network beats a window of the last elements",
        "a window of the last elements beats a recurrent network",
    ),
    Question(
        "Recurrence",
        _is_recurrent,
        lambda f: f.base == "transformer",
        "recurrence beats attention alone",
        "attention alone beats recurrence",
    ),
)
_OF_TEXTS = (
    Question(
        "Counting or learning",
        lambda f: f.model not in _COUNTED,
        lambda f: f.model in _COUNTED,
        "a network learns more than counts tell",
        "counting is enough",
    ),
    Question(
        "Order of words",
        lambda f: f.model != "bow",
        lambda f: f.model == "bow",
        "a network adds to a bag of words",
        "a bag of words is enough",
    ),
)
_OF_FORECASTS = (
    Question(
        "Naive forecasts",
        lambda f: f.model not in _NAIVE,
        lambda f: f.model in _NAIVE,
        "a model beats the naive forecasts",
        "nothing beats the naive forecasts",
    ),
    Question(
        "Autoregression",
        _is_recurrent,
        lambda f: f.model in _LINEAR,
        "a recurrent network beats an autoregression",
        "an autoregression beats a recurrent network",
    ),
)
_OF_MANY_SERIES = (
    Question(
        "One model of all series",
        lambda f: f.model not in (*_NAIVE, *_ONE_FOR_EACH, "mix"),
        lambda f: f.model in _ONE_FOR_EACH,
        "one model of all series beats one for each",
        "one model for each series beats one of all",
    ),
)


def questions(task: str, unit: str) -> Sequence[Question]:
    """Those of a task; `unit` is that of its test examples."""
    if task != "forecast":
        return (*_COMMON, *_OF_TEXTS)
    return (*_OF_FORECASTS, *(_OF_MANY_SERIES if unit == "series" else ()), *_COMMON)


def answers(
    rows: Sequence[Row],
    pairs: Sequence[Difference],
    facts: Mapping[str, ModelFacts],
    score: str,
    task: str,
    unit: str,
) -> list[Answer]:
    """The questions that the models of this comparison answer. `rows` are sorted, the best first; models that `pairs`
    does not hold are left out."""
    tested = {d.model for d in pairs} | {d.reference for d in pairs}
    ranked = [row.model for row in rows if row.model in tested]
    by_pair = {(d.reference, d.model): d for d in pairs}

    def best(condition: Condition) -> str | None:
        return next((name for name in ranked if condition(facts[name])), None)

    def answer(topic: str, first: str | None, second: str | None, yes: str, no: str) -> list[Answer]:
        if first is None or second is None or first == second:
            return []
        better, worse = (first, second) if ranked.index(first) < ranked.index(second) else (second, first)
        difference = by_pair[better, worse]
        text = _sentence(difference, yes if better == first else no, score)
        return [Answer(topic, text, better, worse, difference.told_apart)]

    result = []
    for question in questions(task, unit):
        topic, first, second, yes, no = question
        result += answer(topic, best(first), best(second), yes, no)
    for topic, pair, yes, no in _variants(ranked, facts):
        result += answer(topic, *pair, yes, no)
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
    metric = metric_name(score)
    if difference.difference == 0:
        return f"no difference: {difference.reference} and {difference.model} reached the same {metric}."
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
