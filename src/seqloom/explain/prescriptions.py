"""What to change, ranked: each with its reason, its evidence, and a command line that can be pasted."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seqloom.config import flatten
from seqloom.errors import RequestError
from seqloom.explain.findings import Finding
from seqloom.explain.measured import Measured
from seqloom.models.classifier import Classifier
from seqloom.run import Run, make_settings


@dataclass(frozen=True)
class Prescription:
    """`changes`: dotted settings. `model` and `budget` are those of the run where they are not changed."""

    reason: str
    evidence: str
    model: str
    changes: dict[str, Any]
    budget: dict[str, float | int]
    command: str


def prescriptions(run: Run, findings: list[Finding]) -> list[Prescription]:
    """For the findings in their order, the most promising change of each first."""
    ranked: list[Prescription] = []
    for finding in findings:
        for reason, model, changes, longer in _cures(run, finding.kind):
            prescription = prescribe(run, reason, finding.text, model, changes, longer)
            if prescription is not None and prescription.command not in {p.command for p in ranked}:
                ranked.append(prescription)
    return ranked


def context_prescriptions(run: Run, measured: Measured) -> list[Prescription]:
    """More context where the model uses all that it can take, less where it uses less than a quarter of it."""
    curve, limit = measured.curve, measured.limit
    if curve is None or limit is None or not curve.uses_context:
        return []
    name, longest, beside = limit
    evidence = (
        f"It uses {curve.context_in_words} (95 % interval {curve.memory_low} to {curve.memory_high}) of {longest}."
    )
    if curve.memory_length >= longest and 2 * curve.memory_low > longest:
        reason, length = "more context: it uses all that it can take", 2 * longest
    elif 4 * curve.memory_high <= longest:
        reason, length = "less context, which is faster: it uses little of it", 2 * max(curve.memory_high, 1)
    else:
        return []
    prescription = prescribe(run, reason, evidence, run.plan.model, {name: length + beside})
    return [] if prescription is None else [prescription]


def prescribe(
    run: Run, reason: str, evidence: str, model: str, changes: Mapping[str, Any], longer: float = 1.0
) -> Prescription | None:
    """None where the model or one of the settings does not exist for the run's task, and where nothing would change."""
    if model not in run.task.models():
        return None
    current = flatten(run.plan.settings)
    if model == run.plan.model and longer == 1 and all(current.get(name) == value for name, value in changes.items()):
        return None
    if not _is_valid(run, model, changes):
        return None
    budget = scaled(run.plan.budget.model_dump(exclude_defaults=True), longer)
    return Prescription(reason, evidence, model, dict(changes), budget, command(run, model, changes, budget))


def scaled(budget: Mapping[str, float | int], times: float) -> dict[str, float | int]:
    counts = ("updates", "sequences")
    return {name: max(int(amount * times), 1) if name in counts else amount * times for name, amount in budget.items()}


def settings_of(run: Run, model: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the run that are not the defaults and are valid for `model`, under the `changes`."""
    default = flatten(make_settings(run.plan.task, run.plan.model, {}, run.plan.sources.data))
    changed = {name: value for name, value in flatten(run.plan.settings).items() if value != default.get(name)}
    if model != run.plan.model:
        changed = {name: value for name, value in changed.items() if _is_valid(run, model, {**changes, name: value})}
    return {**changed, **changes}


def _is_valid(run: Run, model: str, settings: Mapping[str, Any]) -> bool:
    try:
        make_settings(run.plan.task, model, settings)
    except RequestError:
        return False
    return True


def is_initialised_from_a_run(run: Run, model: str) -> bool:
    """Whether the run was initialised from another one, from which `model` can be too."""
    return bool(run.plan.ancestry) and model == run.plan.model


def command(run: Run, model: str, changes: Mapping[str, Any], budget: Mapping[str, float | int]) -> str:
    plan = run.plan
    words = ["seqloom", "train", plan.task, plan.sources.data, "--model", model]
    words += ["--from", plan.ancestry[0].run] if is_initialised_from_a_run(run, model) else []
    for option, value in (("valid", plan.sources.valid), ("test", plan.sources.test)):
        words += [f"--{option}", value] if value is not None else []
    for name, amount in budget.items():
        words += [f"--{name}", f"{amount:g}" if isinstance(amount, float) else str(amount)]
    for name, value in settings_of(run, model, changes).items():
        text = (
            str(value).lower() if isinstance(value, bool) else str(list(value) if isinstance(value, tuple) else value)
        )
        words += ["--set", f"{name}={text}"]
    return shlex.join([*words, "--seed", str(plan.seed)])


Cures = list[tuple[str, str, dict[str, Any], float]]


def _gated(run: Run) -> str:
    """The model with an LSTM in the place of a simple recurrent cell."""
    return run.plan.model.replace("birnn", "bilstm").replace("rnn", "lstm")


def _time_scale(run: Run) -> float:
    horizon = flatten(run.plan.settings).get("data.horizon")
    return float(max(horizon or 0, 200))


def _vanishing(run: Run) -> Cures:
    model, gated = run.plan.model, _gated(run)
    chrono = {"model.time_scale": _time_scale(run)}
    cures: Cures = [("a gated cell with chrono initialisation keeps its state over long times", gated, chrono, 1.0)]
    if gated != model:
        identity = {"model.activation": "relu"}
        cures.append(("a gated cell carries gradients further", gated, {}, 1.0))
        cures.append(
            ("ReLU with an identity as the recurrent matrix carries gradients as they are", model, identity, 1.0)
        )
    cures.append(("attention reaches every step at once", f"{model}+attention", {}, 1.0))
    return cures


def _horizon(run: Run) -> Cures:
    return [
        (f"gradients that reach {horizon} steps back", run.plan.model, {"data.horizon": horizon}, 1.0)
        for horizon in (64, 128)
        if horizon > flatten(run.plan.settings)["data.horizon"]
    ]


def _gates(run: Run) -> Cures:
    model = run.plan.model
    return [
        ("gates that start open and unsaturated", model, {"model.forget_bias": 1.0}, 1.0),
        ("smaller steps keep units in their linear range", model, _smaller_steps(run), 1.0),
    ]


def _smaller_steps(run: Run) -> dict[str, float]:
    """A third of the learning rate, rounded to one digit."""
    return {"training.learning_rate": float(f"{flatten(run.plan.settings)['training.learning_rate'] / 3:.0e}")}


def _rate(run: Run) -> Cures:
    rate = flatten(run.plan.settings)["training.learning_rate"]
    model, clip = run.plan.model, {"training.clip_norm": 1.0}
    return [
        (f"steps {rate / lower:.0f} times smaller", model, {"training.learning_rate": lower, **clip}, 1.0)
        for lower in (3e-3, 1e-3)
        if lower < rate
    ]


def _clip(run: Run) -> Cures:
    model = run.plan.model
    return [
        ("clipping bounds every step", model, {"training.clip_norm": 1.0}, 1.0),
        ("clipping, and smaller steps", model, {"training.clip_norm": 1.0, **_smaller_steps(run)}, 1.0),
        ("the gates of an LSTM hold gradients near 1", _gated(run), {"training.clip_norm": 1.0}, 1.0),
    ]


def _regularise(run: Run) -> Cures:
    model = run.plan.model
    settings = flatten(run.plan.settings)
    beside_layers = {"output.dropout", "output_dropout", "embedding.dropout", "input_dropout"} & settings.keys()
    dropout = dict.fromkeys(sorted(beside_layers or {"model.dropout"} & settings.keys()), 0.5)
    # A model of the single elements has less to remember examples by (Iyyer et al. 2015).
    pooled: Cures = [("a model that ignores the order of the elements fits single examples less", "ffnn", {}, 1.0)]
    noised: Cures = [("noise smooths what is learnt of a text that is read often", model, {"data.noise": 0.2}, 1.0)]
    return [
        *(pooled if isinstance(run.model, Classifier) else []),
        *(noised if settings.get("data.noise") == 0 else []),
        ("dropout holds back what fits single examples", model, dropout, 1.0),
        ("end where nothing is gained any more", model, {"training.patience": 3}, 1.0),
    ]


def _attend(run: Run) -> Cures:
    return [("attention lets each target token read the source again", f"{run.plan.model}+attention", {}, 1.0)]


def _longer(run: Run) -> Cures:
    return [("more time: it was still getting better", run.plan.model, {}, 3.0)]


def _revive(run: Run) -> Cures:
    model = run.plan.model
    return [
        ("units of tanh cannot die", model, {"model.activation": "tanh"}, 1.0),
        ("smaller steps do not push units below zero for good", model, _smaller_steps(run), 1.0),
    ]


_CURES: dict[str, Any] = {
    "vanishing gradients": _vanishing,
    "exploding gradients": _clip,
    "saturated gates": _gates,
    "dead units": _revive,
    "horizon too short": _horizon,
    "over-fitting": _regularise,
    "under-training": _longer,
    "bottleneck": _attend,
    "learning rate too high": _rate,
}


def _cures(run: Run, kind: str) -> Cures:
    return _CURES[kind](run) if kind in _CURES else []
