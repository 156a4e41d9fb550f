"""Which inputs mattered to an output: integrated gradients, checked for completeness."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from seqloom.explain.probes.probe import Attributable

_FIRST_STEPS, _MOST_STEPS, _AT_ONCE = 32, 512, 64
_NARROWEST = 2.0**-20
"""Of the whole line: inputs that are closer to each other differ by rounding alone."""
_COMPLETE = 0.01
_POWER = 4
"""Of the spacing of the steps, which are close to each other near the baseline: normalisation makes a network change
fastest where its inputs are nearly zero, and evenly spaced steps miss that."""

Places = Float[NDArray[np.float64], " steps"]


@dataclass(frozen=True)
class Attribution:
    """`weights[i]`: what input i adds to the score of `output`. `difference`: the score with all inputs less that with
    the baseline; the weights sum to it but for `error`, a share of it."""

    output: str
    names: list[str]
    weights: list[float]
    difference: float
    error: float
    steps: int


def integrated_gradients(example: Attributable) -> Attribution:
    """Sundararajan et al. 2017: the gradients along the straight line from the baseline to the inputs, times their
    difference, by the midpoint rule in s, where s^4 is the share of the line. Steps that add something else than the
    score changes by in them are halved until the weights sum to the difference of the scores within 1 %, up to 512
    steps: they become narrow where the score changes almost in a jump, and there alone."""

    @functools.cache
    def score(place: float) -> float:
        with torch.no_grad():
            return float(example.score(_points(example, np.array([place]))))

    difference = score(1.0) - score(0.0)
    allowed = _COMPLETE * max(abs(difference), 1e-4)
    starts = np.arange(_FIRST_STEPS) / _FIRST_STEPS
    ends = starts + 1 / _FIRST_STEPS
    weights = _weights(example, starts, ends)
    while abs(weights.sum() - difference) > allowed:
        changes = np.array([score(end) - score(start) for start, end in zip(starts, ends, strict=True)])
        halved = _to_halve(np.abs(weights.sum(1) - changes), ends - starts, allowed)
        if not len(halved):
            break
        middles = (starts[halved] + ends[halved]) / 2
        halves = np.append(starts[halved], middles), np.append(middles, ends[halved])
        starts, ends = np.append(np.delete(starts, halved), halves[0]), np.append(np.delete(ends, halved), halves[1])
        weights = np.concatenate([np.delete(weights, halved, 0), _weights(example, *halves)])
    of_inputs = weights.sum(0)
    error = abs(float(of_inputs.sum()) - difference) / max(abs(difference), 1e-4)
    return Attribution(example.output, example.names, of_inputs.tolist(), difference, error, len(starts))


def _to_halve(misses: Places, widths: Places, allowed: float) -> Int[NDArray[np.int64], " halved"]:
    """The steps that miss more than an equal part of what is `allowed`; the worst, where these are too many."""
    worst = np.argsort(-misses)[: _MOST_STEPS - len(misses)]
    return worst[(misses[worst] > allowed / len(misses)) & (widths[worst] > _NARROWEST)]


def _weights(example: Attributable, starts: Places, ends: Places) -> Float[NDArray[np.float64], "steps time"]:
    """What each input adds in each step, by the gradient in its middle."""
    span = example.elements - example.baseline
    shares = ends**_POWER - starts**_POWER
    weights = []
    for part in np.split((starts + ends) / 2, range(_AT_ONCE, len(starts), _AT_ONCE)):
        points = _points(example, part).detach().requires_grad_()
        with torch.enable_grad():
            (gradients,) = torch.autograd.grad(example.score(points), points)
        weights.append((gradients * span).sum(2).double().numpy(force=True))
    return np.concatenate(weights) * shares[:, None]


def _points(example: Attributable, places: Places) -> torch.Tensor:
    """(steps, time, size): the points of the line at these values of s."""
    shares = torch.from_numpy(places**_POWER).to(example.elements)[:, None, None]
    return example.baseline + shares * (example.elements - example.baseline)
