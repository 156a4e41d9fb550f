"""The verdict of a comparison: which model won, which are not told apart, and what would decide."""

from __future__ import annotations

from collections.abc import Sequence

from seqloom.comparison.differences import Difference, ModelScores, why_only_an_order
from seqloom.comparison.statistics import ALPHA


def verdict(
    models: Sequence[ModelScores], tested: Sequence[Difference], score: str, lower_is_better: bool, unit: str
) -> str:
    """The verdict in sentences. `models` are sorted, the best first; `unit` is the unit of the test data: line, ..."""
    ranked = _ranking(models, tested, score, lower_is_better, unit)
    return f"{ranked} {nothing_learnt(models[0].mean, score, lower_is_better)}".rstrip()


def nothing_learnt(best: float, score: str, lower_is_better: bool) -> str:
    """What to say where even the best score is one that nothing needs to be learnt for; empty elsewhere."""
    if not lower_is_better and best <= 0:
        return (
            f"No model has learnt anything that this score shows: a {score_name(score)} of 0 is the worst there is. "
            "Train longer."
        )
    if score.endswith("error_rate") and best >= 1:
        return (
            f"No model has learnt anything that this score shows: empty answers have a {score_name(score)} of 1, no "
            "worse than the best here. Train longer."
        )
    return ""


def _ranking(
    models: Sequence[ModelScores], tested: Sequence[Difference], score: str, lower_is_better: bool, unit: str
) -> str:
    first = models[0]
    if len(models) < 2:
        return f"There is only one model, {first.model}: nothing to compare it with."
    nearest = tested[0]
    ahead = _ahead(first, models[1], nearest, score, lower_is_better)
    same = [model.model for model in models if _have_same_scores(first, model)]
    sentences: list[str] = []
    if len(same) > 1:
        sentences.append(f"{listed(same, 'and')} tie: they reached the same {score_name(score)}, {plain(first.mean)}.")
    if reason := why_only_an_order(models):
        advice = " Train more: --seeds 3 or more." if "seed" in reason else ""
        order = f"{first.model} came first: {ahead}. That is an order and no more: {reason}.{advice}"
        return " ".join(sentences or [order])
    undecided = [difference for difference in tested if not difference.told_apart and difference.model not in same]
    worse = [difference for difference in tested if difference.told_apart]
    pairs = len(models) * (len(models) - 1) // 2
    test = f"corrected for {pairs} pairs by Holm's method" if pairs > 1 else "paired over the same examples"
    if not undecided and not sentences:
        return f"{first.model} won: {ahead}; {p_text(nearest.p)}, {test}."
    if undecided:
        names = listed([first.model, *(difference.model for difference in undecided)], "and")
        sentences.append(f"{names} are not told apart: there is not enough evidence ({_evidence(undecided, test)}).")
        sentences += [f"{first.model} came first: {ahead}."] if nearest in undecided else []
    if worse:
        behind = listed([difference.model for difference in worse], "and")
        sentences.append(f"{first.model} is better than {behind} ({p_text(max(d.p or 0.0 for d in worse))}).")
    sentences += [_what_is_enough(first.model, undecided[0], unit)] if undecided else []
    return " ".join(sentences)


def _have_same_scores(first: ModelScores, second: ModelScores) -> bool:
    """A model without a seed has one score, which another may have with every seed."""
    return sorted(first.scores) == sorted(second.scores) or len({*first.scores, *second.scores}) == 1


def _ahead(first: ModelScores, second: ModelScores, nearest: Difference, score: str, lower_is_better: bool) -> str:
    gap, reference = abs(nearest.difference), abs(second.mean)
    share = f", {percent(gap / reference)}" if reference else ""
    interval = ""
    if nearest.low is not None and nearest.high is not None:
        interval = f"; 95 % interval {plain(nearest.low)} to {plain(nearest.high)}"
    return (
        f"its {score_name(score)} is {plain(gap)} {'lower' if lower_is_better else 'higher'} than that of "
        f"{second.model} ({plain(first.mean)} against {plain(second.mean)}{share}{interval})"
    )


def percent(share: float) -> str:
    return f"{100 * share:,.0f} %" if share >= 0.995 else f"{100 * share:.2g} %"


def _evidence(undecided: Sequence[Difference], test: str) -> str:
    p_values = [difference.p for difference in undecided if difference.p is not None]
    if not p_values:
        return "their scores do not vary, so no test is possible"
    if min(p_values) < ALPHA:
        return f"the 95 % interval of their difference includes 0, {test}"
    return f"{p_text(min(p_values))}{' or more' if len(p_values) > 1 else ''}, {test}"


def _what_is_enough(leader: str, difference: Difference, unit: str) -> str:
    seeds, examples = difference.enough
    if difference.p is None:
        return f"More test {many(unit)} are needed."
    choices = [f"{seeds:,} seeds" if seeds else "", f"{_rounded(examples)} test {many(unit)}" if examples else ""]
    if not any(choices):
        return (
            f"If the difference between {leader} and {difference.model} is as small as it looks, it would take both "
            f"more seeds and more test {many(unit)} to show it."
        )
    either = " or ".join(choice for choice in choices if choice)
    return (
        f"If the difference between {leader} and {difference.model} is real, about {either} would be enough to show it."
    )


def _rounded(number: int) -> str:
    """Rounded to two digits, since it is a rough estimate."""
    return f"{int(float(f'{number:.2g}')):,}"


def p_text(p: float | None) -> str:
    return "no p-value" if p is None else "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


_ACRONYMS = {"bleu": "BLEU", "f1": "F1", "mase": "MASE", "rmse": "RMSE"}


def score_name(score: str) -> str:
    """A score in words: `test exact match` of `test exact_match`, `test BLEU` of `test bleu`."""
    return " ".join(_ACRONYMS.get(word, word) for word in score.replace("_", " ").split())


def metric_name(score: str) -> str:
    """The metric of a score in words: `exact match` of `test exact_match`."""
    return score_name(score.rpartition(" ")[2])


def listed(names: Sequence[str], last: str) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def plain(number: float) -> str:
    """A score as text: three decimals, fewer for large numbers."""
    size = abs(number)
    if size >= 1e7:
        return f"{number:.3g}"
    return f"{number:,.{0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3}f}"


def many(unit: str) -> str:
    """The plural of a unit."""
    return unit if unit.endswith("s") else f"{unit}s"
