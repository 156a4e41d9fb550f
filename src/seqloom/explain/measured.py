"""All that is measured of one run, for its verdict, its charts and its JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from seqloom.config import flatten
from seqloom.data.token_file import TokenFile
from seqloom.decoding.alignment import Alignment
from seqloom.explain.measures.attention_heads import HeadMeans, attention_heads
from seqloom.explain.measures.attribution import Attribution, integrated_gradients
from seqloom.explain.measures.dependence import Dependence, LongerContext, dependence, longer_context
from seqloom.explain.measures.dynamics import Dynamics, dynamics
from seqloom.explain.measures.example_steps import ExampleSteps, example_steps
from seqloom.explain.measures.gates import Gates, gates
from seqloom.explain.measures.gradient_reach import GradientReach, gradient_reach, input_gradient_reach
from seqloom.explain.measures.health import Health, health
from seqloom.explain.measures.memory_length import MemoryCurve, memory_curve
from seqloom.explain.measures.recurrent_trace import recurrent_layers, traced_layers
from seqloom.explain.measures.source_length import (
    Bottleneck,
    SourceLength,
    bottleneck,
    source_length,
    translations_by_length,
)
from seqloom.explain.measures.untrained import untrained
from seqloom.explain.measures.weight_gradients import WeightGradient, weight_gradients
from seqloom.explain.probes.make import make_probe
from seqloom.explain.probes.probe import ContextLimit, NetworkProbe, Probe, whole_sequences
from seqloom.explain.probes.translate import PairContexts, SourceContexts
from seqloom.metrics.by_length import LengthScores
from seqloom.nn.attention.multi_head import has_self_attention
from seqloom.run import Run


@dataclass(frozen=True)
class Measured:
    """`limit`: the setting that limits the contexts of the model. `reach_before`: of the untrained weights, which
    follow from the seed. `longer`: what a context beyond the horizon of truncated back-propagation holds. `chance`: the
    loss of the frequencies of the answers alone, where it is known. `translations`: the scores of greedy search by the
    length of the source. `examples_are_probed`: whether single examples were looked into, beside the training. What a
    model does not have is empty or None."""

    name: str
    task: str
    model: str
    settings: dict[str, Any]
    score: dict[str, Any]
    curve: MemoryCurve | None = None
    limit: ContextLimit | None = None
    reach: list[GradientReach] = field(default_factory=list)
    reach_before: list[GradientReach] = field(default_factory=list)
    inputs: GradientReach | None = None
    weights: list[WeightGradient] = field(default_factory=list)
    dynamics: list[Dynamics] = field(default_factory=list)
    gates: list[Gates] = field(default_factory=list)
    heads: list[HeadMeans] = field(default_factory=list)
    attribution: Attribution | None = None
    example: ExampleSteps | None = None
    alignment: Alignment | None = None
    by_length: SourceLength | None = None
    translations: list[LengthScores] = field(default_factory=list)
    dependence: Dependence | None = None
    longer: LongerContext | None = None
    health: Health | None = None
    chance: float | None = None
    examples_are_probed: bool = False

    def setting(self, name: str) -> Any:
        return self.settings.get(name)

    @property
    def learns_little(self) -> bool:
        """Whether the lowest validation loss is within 10 % of that of the frequencies of the answers alone; where
        these are not known, whether context makes the loss less than 5 % smaller."""
        if self.chance is None:
            return self.curve is not None and self.curve.gain < 0.05 * abs(self.curve.loss[0])
        return self.health is not None and min(self.health.valid, default=0.0) > 0.9 * self.chance


def bottlenecks(measured: Sequence[Measured]) -> list[tuple[str, str, Bottleneck]]:
    """The name of each run without attention, that of the first run with it, and what the former costs over the
    latter by the length of the source."""
    by_length = [(each.name, each.by_length) for each in measured if each.by_length is not None]
    attending = next((pair for pair in by_length if pair[1].attends), None)
    if attending is None:
        return []
    compared = [(name, bottleneck(lengths, attending[1])) for name, lengths in by_length if not lengths.attends]
    return [(name, attending[0], costs) for name, costs in compared if costs is not None]


def measure_run(run: Run, data: Any, name: str, example: int | None = None, text: str | None = None) -> Measured:
    """`data` is what `run.read` gives. The inputs of `example` or `text` are weighed; with neither, those of the first
    example that can be."""
    facts: dict[str, Any] = {
        "name": name,
        "task": run.plan.task,
        "model": run.plan.model,
        "settings": flatten(run.plan.settings),
        "score": {name: value for name, value in run.evaluate(data).items() if isinstance(value, int | float)},
    }
    facts["health"] = health(run, data)
    probe = make_probe(run, data)
    if probe is None:
        return Measured(**facts)
    facts["examples_are_probed"] = True
    facts["curve"] = memory_curve(probe) if probe.longest > max(probe.smallest, 1) else None
    facts |= {"limit": probe.limit, "chance": _chance(probe)}
    if isinstance(probe, NetworkProbe):
        with whole_sequences(probe.network):
            facts |= _of_network(run, probe, example, text)
    if isinstance(data, TokenFile):
        facts["dependence"] = dependence(data)
        if facts["settings"].get("data.mode") == "stream" and facts.get("gates"):
            facts["longer"] = longer_context(data, facts["settings"]["data.horizon"])
    if isinstance(probe, PairContexts):
        facts |= {"by_length": source_length(probe), "alignment": probe.alignment(example, text)}
    if isinstance(probe, SourceContexts):
        facts["translations"] = translations_by_length(run, data)
    return Measured(**facts)


def _of_network(run: Run, probe: NetworkProbe, example: int | None, text: str | None) -> dict[str, Any]:
    with torch.no_grad(), traced_layers(probe.network) as traces:
        probe.end_loss(probe.network)
    weighed = probe.example(example, text)
    before = untrained(run) if recurrent_layers(probe.network) else None
    return {
        "reach": gradient_reach(probe),
        "reach_before": [] if before is None else gradient_reach(probe, before),
        "inputs": input_gradient_reach(probe) if probe.reads_elements else None,
        "weights": weight_gradients(probe),
        "dynamics": [dynamics(name, trace) for name, trace in traces.items()],
        "gates": [gates(name, trace) for name, trace in traces.items()],
        "heads": attention_heads(probe) if has_self_attention(probe.network) else [],
        "attribution": None if weighed is None else integrated_gradients(weighed),
        "example": None if weighed is None else example_steps(probe, weighed),
    }


def _chance(probe: Probe) -> float | None:
    """The entropy of the classes of the examples, or of the tags, in nats."""
    if probe.answers is None:
        return None
    shares = np.unique(probe.answers, return_counts=True)[1] / len(probe.answers)
    return float(-(shares * np.log(shares)).sum())
