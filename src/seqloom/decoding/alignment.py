"""The attention of each target token to the source tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqloom.errors import SeqloomError


@dataclass(frozen=True)
class Alignment:
    """The attention weights of each source token for each target token: (target, source), rows with sum 1 up to
    rounding."""

    source: Sequence[str]
    target: Sequence[str]
    weights: ArrayLike

    def matrix(self) -> NDArray[np.float64]:
        """The weights, (target, source). Raises SeqloomError if their shape does not fit the tokens."""
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
            raise SeqloomError("an attention weight is out of range", got=float(weights.min()), expected="0 to 1")
        return weights

    def to_json(self) -> dict[str, Any]:
        """The `source` and `target` tokens, and the `weights` with four decimals, one list for each target token."""
        weights = [[round(weight, 4) for weight in row] for row in self.matrix().tolist()]
        return {"source": list(self.source), "target": list(self.target), "weights": weights}


def with_alignment(plain: Mapping[str, Any], alignment: Alignment | None) -> dict[str, Any]:
    """An answer for JSON, with its alignment if there is one."""
    return {**plain} if alignment is None else {**plain, "alignment": alignment.to_json()}
