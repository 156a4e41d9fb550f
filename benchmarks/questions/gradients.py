"""How far gradients reach back, and how deep, in networks at the beginning of their training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from questions.trials import Answer, Chart, Line, by_seed, measured, point
from seqloom.nn.layer import SequenceLayer, layers

NETWORKS = 10
_SIZE, _STEPS = 64, 100
_DISTANCES = (0, 1, 2, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80)
_DEPTHS = (1, 2, 4, 8, 16)
_SMALLEST = 1e-12
"""Smaller gradients than this count as this much: float32 has no digits for them."""
_KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "rnn": ("rnn", {"hidden_size": _SIZE}),
    "gru": ("gru", {"hidden_size": _SIZE}),
    "lstm": ("lstm", {"hidden_size": _SIZE}),
    "lstm, chrono initialisation": ("lstm", {"hidden_size": _SIZE, "time_scale": 50}),
    "transformer": ("transformer", {"model_dim": _SIZE, "num_layers": 2, "dropout": 0.0}),
}


def reach(folder: Path) -> Answer:  # noqa: ARG001
    """The gradient of the last output by an input some steps before, relative to that by the input one step before."""
    ratios = {}
    for label, (name, settings) in _KINDS.items():
        norms = np.array([_norms_by_step(name, settings, seed) for seed in range(NETWORKS)])
        ratios[label] = np.log10(np.maximum(norms / norms[:, -2:-1], _SMALLEST))[:, ::-1]
    lines = [
        Line(label, [_power(point(distance, by_seed(label, ratio[:, distance]))) for distance in _DISTANCES[1:]])
        for label, ratio in ratios.items()
    ]
    farthest = 50
    return measured(
        [by_seed(label, ratio[:, farthest].tolist()) for label, ratio in ratios.items()],
        [("lstm", "rnn"), ("lstm", "gru"), ("lstm, chrono initialisation", "lstm"), ("transformer", "lstm")],
        f"log10 of the gradient {farthest} steps back",
        False,
        "network",
        f"Layers of {_SIZE} units before training (the Transformer: two blocks), random inputs of {_STEPS} steps, "
        f"{NETWORKS} networks each; the gradient of the last output by an input, relative to the last input but one; "
        "log10, so that -3 is a thousandth",
        chart=Chart("steps back", "gradient", lines, log_y=True),
    )


def depth(folder: Path) -> Answer:  # noqa: ARG001
    """The gradient of the input of a stack of layers by the number of layers, relative to a stack of one."""
    kinds: dict[str, tuple[str, dict[str, object]]] = {
        "transformer": ("transformer", {"model_dim": _SIZE, "dropout": 0.0}),
        "lstm": ("lstm", {"hidden_size": _SIZE}),
        "lstm, residual connections": ("lstm", {"hidden_size": _SIZE, "residual": True}),
        "rnn": ("rnn", {"hidden_size": _SIZE}),
    }
    scores, lines = [], []
    for label, (name, settings) in kinds.items():
        norms = {
            layers: np.array([_norms_by_step(name, {**settings, "num_layers": layers}, s)[-1] for s in range(NETWORKS)])
            for layers in _DEPTHS
        }
        ratios = {layers: np.log10(np.maximum(norm / norms[1], _SMALLEST)) for layers, norm in norms.items()}
        lines.append(
            Line(label, [_power(point(layers, by_seed(label, ratio.tolist()))) for layers, ratio in ratios.items()])
        )
        scores.append(by_seed(label, ratios[_DEPTHS[-1]].tolist()))
    return measured(
        scores,
        [("transformer", "lstm"), ("lstm, residual connections", "lstm")],
        f"log10 of the gradient below {_DEPTHS[-1]} layers",
        False,
        "network",
        f"Stacks of layers of {_SIZE} units before training, random inputs, {NETWORKS} networks each; the gradient of "
        "the last output by the last input, relative to that of one layer; log10",
        chart=Chart("layers", "gradient", lines, log_x=True, log_y=True),
    )


def _power(logarithms: list[float]) -> list[float]:
    """A point whose y was a logarithm."""
    return [logarithms[0], *(10.0**value for value in logarithms[1:])]


def _layer(name: str, settings: dict[str, object]) -> SequenceLayer:
    kind = layers[name]
    return kind(_SIZE, kind.settings(**settings)).eval()


def _norms_by_step(name: str, settings: dict[str, object], seed: int) -> list[float]:
    """The norm of the gradient of a random projection of the last output, by each input."""
    torch.manual_seed(seed)
    layer = _layer(name, settings)
    inputs = torch.randn(1, _STEPS, _SIZE, requires_grad=True)
    outputs, _ = layer(inputs)
    (outputs[0, -1] * torch.randn(outputs.shape[-1])).sum().backward()
    assert inputs.grad is not None
    return [float(norm) for norm in inputs.grad[0].norm(dim=1)]
