"""Which source tokens a model attended to when it wrote each target token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqloom.errors import SeqloomError


@dataclass(frozen=True)
class Alignment:
    """How much of the attention each source token had when each target token was written: (target, source), rows of
    sum 1 but for rounding."""

    source: Sequence[str]
    target: Sequence[str]
    weights: ArrayLike

    def matrix(self) -> NDArray[np.float64]:
        """The weights, (target, source). Raises SeqloomError where they do not fit the tokens."""
        weights = np.asarray(self.weights, dtype=np.float64)
        shape = (len(self.target), len(self.source))
        if weights.size == 0 and 0 in shape:
            return weights.reshape(shape)
        if weights.shape != shape:
            raise SeqloomError(
                "the weights do not fit the tokens",
                got=" × ".join(map(str, weights.shape)) or "one number",
                expected=f"target × source tokens, {shape[0]} × {shape[1]}",
            )
        if not np.isfinite(weights).all() or (weights < 0).any():
            raise SeqloomError("a weight of attention is no share", got=float(weights.min()), expected="0 to 1")
        return weights

    def to_json(self) -> dict[str, Any]:
        """The `source` and `target` tokens, and the `weights` with four decimals, a list a target token."""
        weights = [[round(weight, 4) for weight in row] for row in self.matrix().tolist()]
        return {"source": list(self.source), "target": list(self.target), "weights": weights}
