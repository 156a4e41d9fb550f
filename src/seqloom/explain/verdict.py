"""The verdict in sentences: of each run, and of runs side by side."""

from __future__ import annotations

from collections.abc import Sequence

from seqloom.explain.findings import Finding
from seqloom.explain.measured import Measured
from seqloom.explain.measures.source_length import Bottleneck, bottleneck


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
    """Of each model without attention, beside the first one that has it."""
    by_length = [(each.name, each.by_length) for each in measured if each.by_length is not None]
    attending = next((pair for pair in by_length if pair[1].attends), None)
    if attending is None:
        return []
    return [
        _bottleneck_in_words(name, attending[0], bottleneck(lengths, attending[1]))
        for name, lengths in by_length
        if not lengths.attends
    ]


def _bottleneck_in_words(name: str, attending: str, measured: Bottleneck) -> str:
    costs = f"{measured.short:+.2g} nats per target token at the shortest sources, {measured.long:+.2g} at the longest"
    if measured.begins is None:
        below = f"a bottleneck, if there is one, begins below {measured.shortest:.0f} tokens"
        return f"What {name} costs over {attending} does not rise with the length of the source: {costs}; {below}."
    begins = f"sources of about {measured.begins:.0f} tokens"
    return f"The bottleneck of {name} begins at {begins}: over {attending}, it costs {costs}."


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
