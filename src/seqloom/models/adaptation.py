"""How a language model adapts to the text that it reads."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from seqloom.errors import RequestError

LARGEST_CACHE = 1_000_000


@dataclass(frozen=True)
class Adaptation:
    """`cache`: the number of previous tokens in the neural cache; 0: no cache. `learning_rate`: that of dynamic
    evaluation; 0: the weights stay as they were trained."""

    cache: int = 0
    learning_rate: float = 0.0

    def __post_init__(self) -> None:
        if type(self.cache) is not int or not 0 <= self.cache <= LARGEST_CACHE:
            raise RequestError(
                "the value is not valid", where="cache", got=self.cache, expected=f"0 to {LARGEST_CACHE:,} tokens"
            )
        if not isfinite(self.learning_rate) or self.learning_rate < 0:
            raise RequestError(
                "the value is not valid", where="learning_rate", got=self.learning_rate, expected="0 or more"
            )
        if not self.cache and not self.learning_rate:
            raise RequestError(
                "nothing would be adapted", where="adapted", expected="a cache, a learning rate, or both"
            )


@runtime_checkable
class Adaptive(Protocol):
    """A language model (`PredictsNext`) that adapts to one text while it reads it; its state holds what it adapted
    to."""

    def initial_state(self, batch_size: int) -> Any: ...

    def next_text(self, state: Any) -> Any:
        """The state before the next text: what was adapted to stays, hidden states are the initial ones."""
        ...

    def log_prob(
        self, token_ids: Int[Tensor, "1 time"], targets: Int[Tensor, "1 time"], state: Any
    ) -> tuple[Float[Tensor, "1 time"], Any]: ...
