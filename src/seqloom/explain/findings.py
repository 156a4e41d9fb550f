"""What is wrong with a trained model, by rules over what was measured, the gravest first."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from seqloom.explain.measured import Measured
from seqloom.explain.measures.dependence import SHARE
from seqloom.explain.measures.gates import CLOSED, OPEN


@dataclass(frozen=True)
class Finding:
    """`kind` is one word or two, `text` a plain sentence with its figures, `gravity` above 0 and up to 1."""

    kind: str
    text: str
    gravity: float


class Rule(NamedTuple):
    """`judge`: the text of the finding, None where the rule does not hold. `holds`: where it does, in words."""

    kind: str
    gravity: float
    judge: Callable[[Measured], str | None]
    holds: str


def findings(measured: Measured) -> list[Finding]:
    """Of one run, the gravest first. Where nothing is wrong, the one finding is that it is healthy."""
    judged = [(rule, rule.judge(measured)) for rule in RULES]
    wrong = [Finding(rule.kind, text, rule.gravity) for rule, text in judged if text is not None]
    return wrong or [Finding("healthy", "Nothing that was measured points to a problem of the training.", 0.0)]


def _diverging(m: Measured) -> str | None:
    """A learning rate that is too high: steps as large as the weights, and a training that gains little or jumps."""
    health = m.health
    if health is None:
        return None
    step, growth, last = health.first_step or 0.0, health.growth or 1.0, health.update_ratio or 0.0
    harmed = m.learns_little or health.rises >= _JUMP
    if last < _LARGE_STEP and not (harmed and (step >= _WHOLE_STEP or growth >= _GROWTH)):
        return None
    return (
        f"With a learning rate of {m.setting('training.learning_rate'):g} a step can move a weight matrix by "
        f"{max(step, last):.0%} of its norm, where 1 to 10 % is usual; the weights grew to {growth:.1f} times what "
        f"they were, and the training loss {'jumps' if health.rises >= _JUMP else 'stays high'}."
    )


def _exploding(m: Measured) -> str | None:
    """Gradients that are far larger than the loss, with nothing to clip them."""
    health = m.health
    if health is None or health.clip_norm != 0 or not m.reach:
        return None
    norms = health.largest_norms or health.probe_norms
    largest = max(norms, default=0.0)
    loss = max(abs(min(health.valid, default=1.0)), 1.0)
    if math.isfinite(largest) and largest < _EXPLODED * loss:
        return None
    growing = max(m.reach_before or m.reach, key=lambda reach: reach.decay if math.isfinite(reach.decay) else 0.0)
    cause = ""
    if growing.decay > 1.02:
        cause = f" Before the training they grow by a factor of {growing.decay:.3g} a step back ({growing.layer})."
    return (
        f"The largest gradient had a norm of {largest:.3g}, and clip_norm is 0, so that nothing limits a step.{cause}"
    )


def _dead(m: Measured) -> str | None:
    dead = max((gates.dead for gates in m.gates if gates.dead is not None), default=0.0)
    if dead < _DEAD:
        return None
    return f"{dead:.0%} of the ReLU units are zero at every step: they learn nothing."


def _saturated(m: Measured) -> str | None:
    if not m.gates:
        return None
    worst = max(m.gates, key=lambda gates: gates.saturation)
    names = {name: worst.closed[name] + worst.open[name] for name in worst.closed}
    gate = max(names, key=names.__getitem__) if names else "tanh"
    share = names[gate] if names else worst.saturation
    if share < _SATURATED:
        return None
    if names:
        way = "closed" if worst.closed[gate] >= worst.open[gate] else "open"
        text = f"{share:.0%} of the values of the {gate} ({worst.layer}) are saturated, most of them {way}: "
    else:
        text = f"{share:.0%} of the hidden values ({worst.layer}) are saturated: "
    return text + "hardly any gradient passes through them."


def _vanishing(m: Measured) -> str | None:
    """Gradients that die out long before the beginning of what is read, where a training that had read all of the data
    learnt no more than chance."""
    if m.health is not None and m.health.epochs < 1:
        return None
    hidden = [reach for reach in m.reach if math.isfinite(reach.decay)]
    if not hidden:
        return None
    best = max(hidden, key=lambda reach: reach.reach)
    length = len(best.lags) - 1
    if best.reach > _SHORT_REACH * length or length < _LONG_ENOUGH or not m.learns_little:
        return None
    half = "" if best.half_life is None else f"; they are halved every {best.half_life:.1f} steps"
    return (
        f"The loss at the end reaches back {best.reach} of {length} steps (1 % of the gradient){half}. The model does "
        "hardly better than the frequencies of the answers alone."
    )


def _short_horizon(m: Measured) -> str | None:
    """Truncated back-propagation that ends before what the text depends on, which the model does not use."""
    longer = m.longer
    if longer is None or m.curve is None or not longer.matters or m.curve.memory_length >= longer.lags:
        return None
    return (
        f"Gradients are cut after {longer.horizon} steps, but the next token depends on more: a linear model of "
        f"{longer.lags} tokens loses {longer.gain:.2g} nats per token less than one of {longer.horizon}. The model "
        f"uses {m.curve.memory_length}."
    )


def _overfitting(m: Measured) -> str | None:
    """A validation loss that rose again, by a part of the whole loss that counts, while the training loss fell."""
    health = m.health
    if health is None or health.overfit < _RISE or health.gap < _GAP:
        return None
    if health.valid[-1] - min(health.valid) < _RISE_OF_FIRST * abs(health.valid[0]):
        return None
    lowest = health.updates[health.valid.index(min(health.valid))]
    return (
        f"The validation loss was lowest after update {lowest:,} ({min(health.valid):.3g}) and rose by "
        f"{health.overfit:.0%} to {health.valid[-1]:.3g}, while the training loss fell to {health.train[-1]:.3g}."
    )


def _bottleneck(m: Measured) -> str | None:
    """An encoder-decoder without attention whose loss rises with the length of the source."""
    by_length = m.by_length
    if by_length is None or by_length.attends or by_length.ratio < _BOTTLENECK:
        return None
    return (
        f"The whole source passes through one vector: sources of {by_length.begins} tokens and more cost "
        f"{by_length.long:.2f} nats per target token, shorter ones {by_length.short:.2f}."
    )


def _undertrained(m: Measured) -> str | None:
    """A validation loss that was still falling, or a training that ended before it had read all of the data, with the
    lowest loss at the end or with little learnt."""
    health = m.health
    if health is None or health.overfit > 0.01 or not health.valid:
        return None
    if health.late_gain >= _LATE_GAIN:
        return (
            f"The validation loss was still falling when the budget ended: {health.late_gain:.0%} of all that was "
            "gained came in the second half of the updates."
        )
    if health.epochs >= 1:
        return None
    passes = f"The budget ended after {health.epochs:.2g} passes over the training data"
    if m.learns_little:
        return f"{passes}, and the model has learnt little."
    if health.valid[-1] < min(health.valid[:-1], default=math.inf):
        return f"{passes}, and the last validation loss is the lowest."
    return None


_EXPLODED = 100.0
_LARGE_STEP, _WHOLE_STEP, _GROWTH, _JUMP = 0.1, 0.5, 4.0, 0.5
_DEAD, _SATURATED = 0.4, 0.8
_SHORT_REACH, _LONG_ENOUGH = 0.5, 10
_BOTTLENECK = 1.3
_RISE, _RISE_OF_FIRST, _GAP = 0.05, 0.02, 0.2
_LATE_GAIN = 0.2

RULES = (
    Rule(
        "exploding gradients", 0.98, _exploding,
        f"a recurrent network whose gradients nothing clips, and the largest one had a norm of {_EXPLODED:g} times the "
        "lowest validation loss (of at least 1), or was not finite",
    ),
    Rule(
        "learning rate too high", 0.97, _diverging,
        f"a first step can move weights by {_WHOLE_STEP:.0%} of their size, or they grew to {_GROWTH:g} times it, and "
        f"the model learnt little or the training loss rose by {_JUMP:.0%}; or a step still moves them by "
        f"{_LARGE_STEP:.0%} at the end",
    ),
    Rule("dead units", 0.96, _dead, f"{_DEAD:.0%} of the ReLU units of a layer are zero at every step"),
    Rule(
        "saturated gates", 0.95, _saturated,
        f"{_SATURATED:.0%} of the values of a gate are below {CLOSED} or above {OPEN}, or of the tanh units of a layer "
        f"beyond {OPEN}",
    ),
    Rule(
        "horizon too short", 0.92, _short_horizon,
        f"a linear model of up to four times the horizon gains more than {SHARE:.0%} of its loss over one of the "
        "horizon, beyond chance, and the run uses less than that context",
    ),
    Rule(
        "vanishing gradients", 0.9, _vanishing,
        f"1% of the gradient reaches at most {_SHORT_REACH:.0%} of sequences of {_LONG_ENOUGH} steps or more, and the "
        "model learnt little in one pass over the data or more",
    ),
    Rule(
        "bottleneck", 0.85, _bottleneck,
        f"no attention, and the longest third of the sources costs {_BOTTLENECK} times as much per token as the others",
    ),
    Rule(
        "over-fitting", 0.8, _overfitting,
        f"the validation loss rose by {_RISE:.0%} from its lowest, and by {_RISE_OF_FIRST:.0%} of the first one, and "
        f"the training loss is {_GAP:.0%} below it",
    ),
    Rule(
        "under-training", 0.7, _undertrained,
        f"{_LATE_GAIN:.0%} of all that was gained came in the second half of the updates; or the budget ended after "
        "less than one pass over the data, with the lowest validation loss at the end or with little learnt",
    ),
)  # fmt: skip
"""The gravest first."""
