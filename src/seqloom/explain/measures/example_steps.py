"""What the layers of a network do at each step of one example: gates, self-attention, and the heads of a memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from seqloom.explain.measures.attention_heads import recorded_attention
from seqloom.explain.measures.gates import GatesByStep, gates_by_step
from seqloom.explain.measures.recurrent_trace import traced_layers
from seqloom.explain.probes.probe import Attributable, NetworkProbe
from seqloom.nn.ntm.head_weights import RecordsWeights, record_weights


@dataclass(frozen=True)
class HeadsByStep:
    """Of one layer along the example. `weights` (time, heads, locations): where each head looks at each step; the
    locations are the elements that are read (self-attention), or those of a memory, whose first `read_heads` heads
    read and whose others write. `names`: of the elements, one for each step. `bits` (size, time): the elements
    themselves, where they are bits."""

    layer: str
    names: list[str]
    weights: NDArray[np.float32]
    read_heads: int
    of_memory: bool
    bits: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class ExampleSteps:
    gates: list[GatesByStep] = field(default_factory=list)
    heads: list[HeadsByStep] = field(default_factory=list)


@torch.no_grad()
def example_steps(probe: NetworkProbe, example: Attributable) -> ExampleSteps:
    """Of one pass over the inputs that are weighed."""
    network = probe.network
    with (
        traced_layers(network) as traces,
        recorded_attention(network) as attention,
        record_weights(network) as memory,
    ):
        example.score(network, example.elements)
    gates = [
        gates_by_step(layer, trace, _names(probe, example, layer, trace.inputs.shape[1]))
        for layer, trace in traces.items()
    ]
    heads = []
    for layer, weights in attention.items():
        names = _names(probe, example, layer, weights.shape[2])
        looked = weights[0].permute(1, 0, 2).numpy(force=True)
        heads.append(HeadsByStep(layer, names, looked, looked.shape[1], of_memory=False))
    read_heads = {name: part.read_heads for name, part in network.named_modules() if isinstance(part, RecordsWeights)}
    for layer in memory:
        looked = memory[layer][0].numpy(force=True)
        names = _names(probe, example, layer, len(looked))
        bits = example.elements[0].T.numpy(force=True) if probe.reads_bits else None
        heads.append(HeadsByStep(layer, names, looked, read_heads[layer], of_memory=True, bits=bits))
    return ExampleSteps([of_layer for of_layer in gates if of_layer.means], heads)


def _names(probe: NetworkProbe, example: Attributable, layer: str, time: int) -> list[str]:
    """Of what a layer reads: the inputs that are weighed, or what the decoder reads; else the numbers of the steps."""
    names = example.names if layer.startswith(probe.input_name) else example.decoder_names
    return list(names) if len(names) == time else [str(step) for step in range(1, time + 1)]
