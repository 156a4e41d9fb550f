"""Which inputs mattered to an output: integrated gradients, checked for completeness."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from seqloom.explain.probes.probe import Attributable

_FIRST_STEPS, _AT_ONCE = 32, 64
_MOST_ELEMENTS, _MOST_STEPS = 2**16, (512, 4096)
"""The steps of a line have together at most so many elements of the sequence, since a step costs as much as that is
long; but every line may have 512 steps, and none more than 4,096."""
_NARROW, _NARROWEST = 2.0**-16, 2.0**-48
"""Of the whole line: the points of narrower steps differ too little for float32, and for float64."""
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
    steps, of short sequences up to 4,096: they become narrow where the score changes almost in a jump, and there alone.
    A recurrent network with two stable states passes from one to the other within a share of the line that shrinks
    exponentially with the length of the sequence; what float32 does not resolve is computed in float64."""
    line = _Line(example)
    limit = int(np.clip(_MOST_ELEMENTS // example.elements.shape[1], *_MOST_STEPS))
    starts = np.arange(_FIRST_STEPS) / _FIRST_STEPS
    ends = starts + 1 / _FIRST_STEPS
    weights = line.weights(starts, ends)
    scores = line.scores(np.append(starts, 1.0))
    changes, difference = np.diff(scores), scores[-1] - scores[0]
    allowed = _COMPLETE * max(abs(difference), 1e-4)
    while abs(weights.sum() - difference) > allowed:
        halved = _to_halve(np.abs(weights.sum(1) - changes), ends - starts, allowed, limit)
        if not len(halved):
            break
        low, high = starts[halved], ends[halved]
        middle = (low + high) / 2
        halves = np.append(low, middle), np.append(middle, high)
        added = line.weights(*halves), line.changes(low, middle, high)
        others = np.delete(np.arange(len(starts)), halved)
        starts, ends = np.append(starts[others], halves[0]), np.append(ends[others], halves[1])
        weights, changes = np.concatenate([weights[others], added[0]]), np.append(changes[others], added[1])
    of_inputs = weights.sum(0)
    error = abs(float(of_inputs.sum()) - difference) / max(abs(difference), 1e-4)
    return Attribution(example.output, example.names, of_inputs.tolist(), float(difference), error, len(starts))


def _to_halve(misses: Places, widths: Places, allowed: float, limit: int) -> Int[NDArray[np.int64], " halved"]:
    """The steps that miss more than an equal part of what is `allowed`; the worst, where there would be more
    than `limit` steps."""
    worst = np.argsort(-misses)[: limit - len(misses)]
    return worst[(misses[worst] > allowed / len(misses)) & (widths[worst] > _NARROWEST)]


def _needs_float64(starts: Places, ends: Places) -> bool:
    return bool((ends - starts).min() < _NARROW)


class _Line:
    """From the baseline of an example to its inputs."""

    def __init__(self, example: Attributable) -> None:
        self.example = example

    @functools.cached_property
    def _precise_network(self) -> nn.Module:
        return copy.deepcopy(self.example.network).double()

    def scores(self, places: Places, precise: bool = False) -> Float[NDArray[np.float64], " places"]:
        """At these values of s; `precise`, in float64."""
        parts = np.split(places, range(_AT_ONCE, len(places), _AT_ONCE))
        with torch.no_grad():
            return np.concatenate([self._score(self._points(part, precise)).numpy(force=True) for part in parts])

    def changes(self, low: Places, middle: Places, high: Places) -> Places:
        """Of the score in both halves of steps, those of all first halves first."""
        at = self.scores(np.concatenate([low, middle, high]), _needs_float64(low, middle)).reshape(3, -1)
        return np.diff(at, axis=0).ravel()

    def weights(self, starts: Places, ends: Places) -> Float[NDArray[np.float64], "steps time"]:
        """What each input adds in each step, by the gradient in its middle."""
        span = self.example.elements - self.example.baseline
        shares = ends**_POWER - starts**_POWER
        precise = _needs_float64(starts, ends)
        weights = []
        for part in np.split((starts + ends) / 2, range(_AT_ONCE, len(starts), _AT_ONCE)):
            points = self._points(part, precise).detach().requires_grad_()
            with torch.enable_grad():
                (gradients,) = torch.autograd.grad(self._score(points).sum(), points)
            weights.append((gradients * span).sum(2).double().numpy(force=True))
        return np.concatenate(weights) * shares[:, None]

    def _score(self, points: Tensor) -> Tensor:
        network = self.example.network if points.dtype == self.example.elements.dtype else self._precise_network
        return self.example.score(network, points).double()

    def _points(self, places: Places, precise: bool) -> Tensor:
        """(steps, time, size): the points of the line at these values of s."""
        dtype = torch.float64 if precise else self.example.elements.dtype
        baseline, elements = (part.to(dtype) for part in (self.example.baseline, self.example.elements))
        shares = torch.from_numpy(places**_POWER).to(elements)[:, None, None]
        return baseline + shares * (elements - baseline)
