"""How far gradients reach back in networks at the beginning of their training."""

from __future__ import annotations

import statistics
from pathlib import Path

import torch

from questions.trials import Answer, by_seed, judged
from seqloom.nn.layer import layers

DISTANCES = (1, 10, 50)
NETWORKS = 10
_SIZE = 64
_KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "rnn": ("rnn", {"hidden_size": _SIZE}),
    "gru": ("gru", {"hidden_size": _SIZE}),
    "lstm": ("lstm", {"hidden_size": _SIZE}),
    "lstm, chrono initialisation for 50 steps": ("lstm", {"hidden_size": _SIZE, "time_scale": 50}),
    "transformer, 2 layers": ("transformer", {"model_dim": _SIZE, "num_layers": 2, "dropout": 0.0}),
    "transformer, 8 layers": ("transformer", {"model_dim": _SIZE, "num_layers": 8, "dropout": 0.0}),
}


def reach(folder: Path) -> Answer:  # noqa: ARG001
    """The norm of the gradient of the last output by an input 50 steps before, relative to that by the last input."""
    ratios: dict[str, dict[int, list[float]]] = {}
    for label, (name, settings) in _KINDS.items():
        ratios[label] = {distance: [] for distance in DISTANCES}
        for seed in range(NETWORKS):
            norms = _gradient_norms(name, settings, seed)
            for distance in DISTANCES:
                ratios[label][distance].append(norms[-1 - distance] / norms[-1])
    farthest = DISTANCES[-1]
    scores = {
        label: by_seed(label, [torch.tensor(ratio).clamp_min(1e-30).log10().item() for ratio in values[farthest]])
        for label, values in ratios.items()
    }
    extra = {
        f"gradient {distance} step{'s' if distance > 1 else ''} back": {
            label: f"{statistics.median(values[distance]):.2g}" for label, values in ratios.items()
        }
        for distance in DISTANCES
    }
    return judged(
        scores,
        f"log10 of the gradient {farthest} steps back",
        False,
        "network",
        f"networks of {_SIZE} units before training, random inputs of 100 steps; the gradient of the last output by an "
        f"input, relative to that by the last input; medians of {NETWORKS} networks",
        extra,
    )


def _gradient_norms(name: str, settings: dict[str, object], seed: int) -> list[float]:
    """Of the sum of the last output's squares by each input."""
    torch.manual_seed(seed)
    kind = layers[name]
    layer = kind(_SIZE, kind.settings(**settings)).eval()
    inputs = torch.randn(1, 100, _SIZE, requires_grad=True)
    outputs, _ = layer(inputs)
    (outputs[0, -1] * torch.randn(outputs.shape[-1])).sum().backward()
    assert inputs.grad is not None
    return [float(norm) for norm in inputs.grad[0].norm(dim=1)]
