"""The choice of the next token: the most probable one, or a sample with temperature, top-k and top-p."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqloom_portable.errors import PortableError

GREEDY_BELOW = 1e-6
"""A temperature below this is treated as 0: only one token would remain, and the division would overflow."""


@dataclass(frozen=True)
class Sampling:
    """`temperature` 0 is greedy. `top_k` keeps the k most probable tokens (0 keeps all); `top_p` keeps the fewest
    tokens that together have this probability (Holtzman et al. 2020)."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        for name, possible, expected in (
            ("temperature", 0 <= self.temperature < math.inf, "0 or more"),
            ("top_k", self.top_k >= 0, "0 or more"),
            ("top_p", 0 < self.top_p <= 1, "more than 0, at most 1"),
        ):
            if not possible:
                raise PortableError(f"{name} is out of range: {getattr(self, name)}; expected {expected}")

    @property
    def is_greedy(self) -> bool:
        return self.temperature < GREEDY_BELOW

    def distribution(self, log_probs: NDArray[Any]) -> NDArray[np.float64]:
        """(..., vocab): the probabilities from which a token is sampled."""
        log_probs = np.asarray(log_probs, np.float64)
        if self.is_greedy:
            probs = np.zeros(log_probs.shape)
            np.put_along_axis(probs, log_probs.argmax(-1)[..., None], 1.0, -1)
            return probs
        scaled = np.exp((log_probs - log_probs.max(-1, keepdims=True)) / self.temperature)
        probs = scaled / scaled.sum(-1, keepdims=True)
        if not self.top_k and self.top_p == 1:
            return probs
        order = np.argsort(-probs, axis=-1, kind="stable")
        ordered = np.take_along_axis(probs, order, -1)
        is_candidate = ordered.cumsum(-1) - ordered < self.top_p
        if self.top_k:
            is_candidate[..., self.top_k :] = False
        is_candidate[..., 0] = True
        candidate_probs = np.zeros_like(probs)
        np.put_along_axis(candidate_probs, order, ordered * is_candidate, -1)
        return candidate_probs / candidate_probs.sum(-1, keepdims=True)


NextLogProbs = Callable[[NDArray[np.int64], Any], tuple[NDArray[Any], Any]]
"""Maps token ids (1, time) and a state to the log-probabilities (vocab,) of the next token and the new state."""


def generate(
    next_log_probs: NextLogProbs, state: Any, prompt: Sequence[int], sampling: Sampling, never: Sequence[int], seed: int
) -> Iterator[int]:
    """Yields token ids after `prompt` (not empty) without end. The tokens in `never` are not generated. The same seed
    generates the same tokens."""
    rng = np.random.default_rng(seed)
    inputs = np.array([list(prompt)], np.int64)
    while True:
        log_probs, state = next_log_probs(inputs, state)
        token = choose(log_probs, sampling, never, rng)
        yield token
        inputs = np.array([[token]], np.int64)


def choose(log_probs: NDArray[Any], sampling: Sampling, never: Sequence[int], rng: np.random.Generator) -> int:
    """A token by its log-probability (vocab,), none of those in `never`."""
    allowed = np.array(log_probs, np.float64)
    allowed[list(never)] = -np.inf
    return int(allowed.argmax()) if sampling.is_greedy else draw(sampling.distribution(allowed), rng)


def draw(probs: NDArray[np.float64], rng: np.random.Generator) -> int:
    """Samples a token from its probabilities: exponential clocks run for all tokens, and the first wins. A different
    rounding of the probabilities then hardly ever changes the sample."""
    with np.errstate(divide="ignore"):
        return int((probs / rng.standard_exponential(len(probs), np.float32)).argmax())
