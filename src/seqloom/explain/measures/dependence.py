"""How far the tokens of a text depend on each other, whatever the model: mutual information by lag."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqloom.data.token_file import TokenFile

_FREQUENT, _TOKENS, _LAGS = 30, 200_000, 64
_SHARE = 0.2
"""A lag counts where its mutual information is at least this share of that of the strongest lag."""


@dataclass(frozen=True)
class Dependence:
    """`information[i]`: nats of mutual information between tokens `lags[i]` apart, less what chance gives."""

    lags: list[int]
    information: list[float]

    @property
    def longest(self) -> int:
        """The longest lag whose information is at least a fifth of that of the strongest one; 0 where there is none."""
        strongest = max(self.information, default=0.0)
        strong = [lag for lag, value in zip(self.lags, self.information, strict=True) if value >= _SHARE * strongest]
        return strong[-1] if strong and strongest > 0.01 else 0

    def at(self, lag: int) -> float:
        return self.information[self.lags.index(lag)]


def dependence(data: TokenFile) -> Dependence:
    """Among the 30 most frequent tokens, all others taken as one; the bias of few counts is taken off (Miller and Madow
    1955)."""
    ids = data.read(0, _TOKENS).astype(np.int64)
    frequent = np.argsort(-np.bincount(ids), kind="stable")[:_FREQUENT]
    places = np.full(int(ids.max()) + 1, len(frequent))
    places[frequent] = np.arange(len(frequent))
    symbols = places[ids]
    lags = list(range(1, min(_LAGS, len(ids) // 4) + 1))
    return Dependence(lags, [_information(symbols[:-lag], symbols[lag:], len(frequent) + 1) for lag in lags])


def _information(first: NDArray[np.int64], second: NDArray[np.int64], size: int) -> float:
    joint = np.bincount(first * size + second, minlength=size * size).reshape(size, size).astype(np.float64)
    total = joint.sum()
    entropies = [-(p[p > 0] / total * np.log(p[p > 0] / total)).sum() for p in (joint, joint.sum(0), joint.sum(1))]
    used = [(counts > 0).sum() - 1 for counts in (joint, joint.sum(0), joint.sum(1))]
    corrected = [e + n / (2 * total) for e, n in zip(entropies, used, strict=True)]
    return max(float(corrected[1] + corrected[2] - corrected[0]), 0.0)
