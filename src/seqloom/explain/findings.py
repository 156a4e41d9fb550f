"""What is wrong with a trained model, by rules over what was measured, the gravest first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from seqloom.explain.measured import Measured


@dataclass(frozen=True)
class Finding:
    """`kind` is one word or two, `text` a plain sentence with its figures, `gravity` above 0 and up to 1."""

    kind: str
    text: str
    gravity: float


def findings(measured: Measured) -> list[Finding]:
    """Of one run, the gravest first. Where nothing is wrong, the one finding is that it is healthy."""
    judged = [rule(measured) for rule in _RULES]
    wrong = sorted((finding for finding in judged if finding is not None), key=lambda finding: -finding.gravity)
    if wrong:
        return wrong
    return [Finding("healthy", "Nothing that was measured points to a problem of the training.", 0.0)]


def _diverging(m: Measured) -> Finding | None:
    """A learning rate that is too high: steps as large as the weights, and a training that gains little or jumps."""
    health = m.health
    if health is None:
        return None
    step, growth, last = health.first_step or 0.0, health.growth or 1.0, health.update_ratio or 0.0
    harmed = m.learns_little or health.rises >= _JUMP
    if last < _LARGE_STEP and not (harmed and (step >= _WHOLE_STEP or growth >= _GROWTH)):
        return None
    return Finding(
        "learning rate too high",
        f"With a learning rate of {m.setting('training.learning_rate'):g} a step can move a weight matrix by "
        f"{max(step, last):.0%} of its norm, where 1 to 10 % is usual; the weights grew to {growth:.1f} times what "
        f"they were, and the training loss {'jumps' if health.rises >= _JUMP else 'stays high'}.",
        0.97,
    )


def _exploding(m: Measured) -> Finding | None:
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
    return Finding(
        "exploding gradients",
        f"The largest gradient had a norm of {largest:.3g}, and clip_norm is 0, so that nothing limits a step.{cause}",
        0.98,
    )


def _dead(m: Measured) -> Finding | None:
    dead = max((gates.dead for gates in m.gates if gates.dead is not None), default=0.0)
    if dead < _DEAD:
        return None
    return Finding("dead units", f"{dead:.0%} of the ReLU units are zero at every step: they learn nothing.", 0.96)


def _saturated(m: Measured) -> Finding | None:
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
    return Finding("saturated gates", text + "hardly any gradient passes through them.", 0.95)


def _vanishing(m: Measured) -> Finding | None:
    """Gradients that die out long before the beginning of what is read, where not more was learnt than chance."""
    hidden = [reach for reach in m.reach if math.isfinite(reach.decay)]
    if not hidden:
        return None
    best = max(hidden, key=lambda reach: reach.reach)
    length = len(best.lags) - 1
    if best.reach > 0.5 * length or length < 10 or not m.learns_little:
        return None
    half = "" if best.half_life is None else f"; they are halved every {best.half_life:.1f} steps"
    return Finding(
        "vanishing gradients",
        f"The loss at the end reaches back {best.reach} of {length} steps (1 % of the gradient){half}. The model does "
        "hardly better than the frequencies of the answers alone.",
        0.9,
    )


def _short_horizon(m: Measured) -> Finding | None:
    """Truncated back-propagation that ends before what the text depends on, which the model does not use."""
    longer = m.longer
    if longer is None or m.curve is None or not longer.matters or m.curve.memory_length >= longer.lags:
        return None
    return Finding(
        "horizon too short",
        f"Gradients are cut after {longer.horizon} steps, but the next token depends on more: a linear model of "
        f"{longer.lags} tokens loses {longer.gain:.2g} nats a token less than one of {longer.horizon}. The model uses "
        f"{m.curve.memory_length}.",
        0.92,
    )


def _overfitting(m: Measured) -> Finding | None:
    """A validation loss that rose again, by a part of the whole loss that counts, while the training loss fell."""
    health = m.health
    if health is None or health.overfit < 0.05 or health.gap < 0.2:
        return None
    if health.valid[-1] - min(health.valid) < 0.02 * abs(health.valid[0]):
        return None
    lowest = health.updates[health.valid.index(min(health.valid))]
    return Finding(
        "over-fitting",
        f"The validation loss was lowest after update {lowest:,} ({min(health.valid):.3g}) and rose by "
        f"{health.overfit:.0%} to {health.valid[-1]:.3g}, while the training loss fell to {health.train[-1]:.3g}.",
        0.8,
    )


def _bottleneck(m: Measured) -> Finding | None:
    """An encoder-decoder without attention whose loss rises with the length of the source."""
    by_length = m.by_length
    if by_length is None or by_length.attends or by_length.ratio < 1.3:
        return None
    return Finding(
        "bottleneck",
        f"The whole source passes through one vector: sources of {by_length.begins} tokens and more cost "
        f"{by_length.long:.2f} nats a target token, shorter ones {by_length.short:.2f}.",
        0.85,
    )


def _undertrained(m: Measured) -> Finding | None:
    """A validation loss that was still falling, or one that ended, before it had read all of the data, with
    its lowest loss or with little learnt."""
    health = m.health
    if health is None or health.overfit > 0.01 or not health.valid:
        return None
    passes = f"The budget ended after {health.epochs:.2g} passes over the training data"
    if health.late_gain >= _LATE_GAIN:
        reason = (
            f"The validation loss was still falling when the budget ended: {health.late_gain:.0%} of all that was "
            "gained came in the second half of the updates."
        )
    elif health.epochs < 1 and m.learns_little:
        reason = f"{passes}, and the model has learnt little."
    elif health.epochs < 1 and health.valid[-1] < min(health.valid[:-1], default=math.inf):
        reason = f"{passes}, and the last validation loss is the lowest."
    else:
        return None
    return Finding("under-training", reason, 0.7)


_LARGE_STEP, _WHOLE_STEP, _GROWTH, _JUMP = 0.1, 0.5, 4.0, 0.5
_EXPLODED = 100.0
_DEAD, _SATURATED, _LATE_GAIN = 0.4, 0.8, 0.2
_RULES = (
    _diverging, _exploding, _dead, _saturated, _vanishing, _short_horizon, _overfitting, _bottleneck, _undertrained,
)  # fmt: skip


def sentences(names: Sequence[str], by_run: Sequence[list[Finding]]) -> list[str]:
    """The verdict: a sentence for each finding, with the run's name before it where there are several runs."""
    several = len(names) > 1
    return [
        f"{name}: {finding.text}" if several else finding.text
        for name, of_run in zip(names, by_run, strict=True)
        for finding in of_run
    ]
