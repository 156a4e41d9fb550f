"""What to use when quality, size or latency matters most, and what to try next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from seqloom.comparison.differences import Difference
from seqloom.comparison.fairness import extrapolations
from seqloom.comparison.questions import ModelFacts
from seqloom.comparison.scoreboard import Row, short_number
from seqloom.comparison.verdict import listed, metric_name, plain

_MOST_SUGGESTIONS = 3
_MOST_SEEDS = 20


def recommendations(rows: Sequence[Row], differences: Sequence[Difference], score: str) -> list[str]:
    """Sentences. `rows` are sorted, the best first, without those that the verdict ignores; `differences` are to the
    first."""
    if len(rows) < 2:
        return []
    metric = metric_name(score)
    by_model = {difference.model: difference for difference in differences}
    undecided = [row for row in rows[1:] if row.model in by_model and not by_model[row.model].told_apart]
    best = f"{rows[0].model} ({plain(rows[0].score.mean)})"
    sentences = [f"If quality matters most: {best}."]
    if undecided:
        are = "is" if len(undecided) == 1 else "are"
        sentences[0] += f" {listed([row.model for row in undecided], 'and')} {are} not told apart from it."
    choices: list[tuple[str, Callable[[Row], float | None], Callable[[float], str]]] = [
        ("size", lambda row: row.parameters, lambda value: f"{short_number(int(value))} parameters"),
        ("latency", lambda row: row.online_milliseconds, lambda value: f"{value:.2f} ms per token"),
        ("training time", lambda row: row.processor_seconds, lambda value: f"{value:,.1f} processor seconds"),
    ]
    for what, cost, shown in choices:
        costs = {row.model: value for row in rows if (value := cost(row)) is not None}
        if len(costs) == len(rows):
            sentences.append(f"If {what} matters most: {_cheapest(rows, undecided, costs, by_model, shown, metric)}")
    return sentences


def _cheapest(
    rows: Sequence[Row],
    undecided: Sequence[Row],
    costs: Mapping[str, float],
    by_model: Mapping[str, Difference],
    shown: Callable[[float], str],
    metric: str,
) -> str:
    """The cheapest of the models that are not told apart from the best, and the cheapest of all."""
    best = rows[0].model
    equal = min([rows[0], *undecided], key=lambda row: costs[row.model]).model
    cheapest = min(rows, key=lambda row: costs[row.model]).model
    sentence = f"{equal} ({shown(costs[equal])}), {'the best' if equal == best else 'not told apart from the best'}."
    if costs[cheapest] < costs[equal]:
        behind = plain(by_model[cheapest].difference)
        sentence += f" {cheapest} needs less ({shown(costs[cheapest])}), but is {behind} {metric} behind."
    return sentence


def next_steps(
    rows: Sequence[Row],
    differences: Sequence[Difference],
    facts: Mapping[str, ModelFacts],
    lower_is_better: bool,
    available: Sequence[str],
    tuned: bool,
) -> list[str]:
    """Up to three suggestions, each with what to type. `available` are the models of the task."""
    leader, suggestions = rows[0].model, []
    fact = facts[leader]
    improving = [extrapolation.model for extrapolation in extrapolations(rows, lower_is_better) if extrapolation.gain]
    if improving:
        suggestions.append(f"more time: {listed(improving, 'and')} still improved (twice the budget)")
    seeds = differences[0].enough.seeds if differences and not differences[0].told_apart else None
    if seeds and seeds <= _MOST_SEEDS:
        suggestions.append(f"--seeds {seeds}, to tell {leader} from {differences[0].model}")
    compared = {f.model for f in facts.values()}
    layers = [name for name in fact.settings if name.rsplit(".", 1)[-1] == "num_layers"]
    if len(layers) == 1 and not any(f.model == fact.model and f.layers > fact.layers for f in facts.values()):
        suggestions.append(f"depth: --models {fact.model},{fact.model}:{layers[0]}={fact.layers + 1}")
    for variant, topic in ((f"{fact.model}+attention", "attention"), (f"bi{fact.model}", "both directions")):
        if variant in available and variant not in compared:
            suggestions.append(f"{topic}: --models {fact.model},{variant}")
    if not tuned and "training.learning_rate" in fact.settings:
        suggestions.append(f"tuned settings: --models {fact.model} --tune 10")
    return suggestions[:_MOST_SUGGESTIONS]
