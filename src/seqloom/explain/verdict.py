"""The verdict in sentences: of each run, and of runs side by side."""

from __future__ import annotations

from collections.abc import Sequence

from seqloom.explain.findings import Finding
from seqloom.explain.measured import Measured, bottlenecks
from seqloom.explain.measures.source_length import Bottleneck


def sentences(names: Sequence[str], by_run: Sequence[list[Finding]]) -> list[str]:
    """The verdict: a sentence for each finding, with the run's name before it where there are several runs."""
    several = len(names) > 1
    return [
        f"{name}: {finding.text}" if several else finding.text
        for name, of_run in zip(names, by_run, strict=True)
        for finding in of_run
    ]


def sentences_of_all(measured: Sequence[Measured]) -> list[str]:
    """How the runs differ, how much context each uses, and what was not looked into."""
    return [*_bottlenecks(measured), *_differences(measured), *_memories(measured), *_unexamined(measured)]


def _bottlenecks(measured: Sequence[Measured]) -> list[str]:
    return [_bottleneck_in_words(*compared) for compared in bottlenecks(measured)]


def _bottleneck_in_words(name: str, attending: str, measured: Bottleneck) -> str:
    """From which length on a model costs more than at the shortest sources, and whether it costs more there already."""
    costs = (
        f"it costs {measured.costs[0]:+.2g} nats per target token over {attending} (95 % interval "
        f"{measured.low[0]:.2g} to {measured.high[0]:.2g}) at sources of about {measured.lengths[0]:.0f} tokens and "
        f"{measured.costs[-1]:+.2g} at those of about {measured.lengths[-1]:.0f}"
    )
    costs_everywhere = measured.low[0] > 0
    rise = measured.onset
    if rise is not None and rise.is_real:
        shortest = ", the shortest that there are," if rise.from_the_shortest else ""
        begins = f"sources of {rise.begins:.0f} tokens (95 % interval {rise.low:.0f}{shortest} to {rise.high:.0f})"
        below = (
            f" What it costs at the shortest already may be a part that begins below, or {name} has learnt less."
            if costs_everywhere
            else ""
        )
        return f"The bottleneck of {name} begins at {begins}: {costs}.{below}"
    chance = "" if rise is None else f" (p = {rise.p_value:.2g})"
    if costs_everywhere:
        return (
            f"If {name} has a bottleneck, it begins at the shortest sources or below: {costs}, no rise beyond chance"
            f"{chance}. Or {name} has learnt less in itself, which these sources cannot tell."
        )
    return f"No bottleneck of {name} is seen: {costs}, no rise beyond chance{chance}."


def _differences(measured: Sequence[Measured]) -> list[str]:
    """What the best model's curve is ahead of the others, in elements and in score."""
    curves = [(each.name, each.curve) for each in measured if each.curve is not None]
    if len(curves) < 2:
        return []
    best_name, best = min(curves, key=lambda pair: min(pair[1].loss))
    return [
        f"The data need about {best.context_in_words} of context, which {best_name} uses; {name} uses "
        f"{curve.memory_length} and loses {min(curve.loss) - min(best.loss):.3g} {curve.score}."
        for name, curve in curves
        if name != best_name
    ]


def _memories(measured: Sequence[Measured]) -> list[str]:
    return [
        f"{each.name} uses {each.curve.context_in_words} of context (95 % interval {each.curve.memory_low} to "
        f"{each.curve.memory_high}); its loss is {each.curve.gain:.3g} {each.curve.score} lower with it."
        for each in measured
        if each.curve is not None and each.curve.uses_context
    ]


def _unexamined(measured: Sequence[Measured]) -> list[str]:
    """What a reader might miss."""
    return [
        f"Of a run of {each.task}, only the losses and the weights are examined, not contexts and gradients by lag."
        for each in measured[:1]
        if not each.examples_are_probed
    ]
