"""How far the tokens of a text depend on each other, whatever the model: mutual information by lag, and what a linear
model gains by a longer context."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from seqloom.data.token_file import TokenFile
from seqloom.training.optimizers import AdamW, Group

_FREQUENT, _TOKENS, _LAGS = 30, 200_000, 64
_FITTED, _BATCH, _STEPS, _RATE = 60_000, 512, 175, 0.01
_LONGEST = 128


@dataclass(frozen=True)
class Dependence:
    """`information[i]`: nats of mutual information between tokens `lags[i]` apart, less what chance gives."""

    lags: list[int]
    information: list[float]


@dataclass(frozen=True)
class LongerContext:
    """What the last `lags` tokens tell a linear model of the next one beyond what the last `horizon` do: `gain` nats a
    token on held-out text, of `loss` nats with `horizon`; `error` is the standard error of the gain."""

    horizon: int
    lags: int
    loss: float
    gain: float
    error: float

    @property
    def matters(self) -> bool:
        return self.gain > max(_SIGNIFICANT * self.error, SHARE * self.loss)


_SIGNIFICANT, SHARE = 4.0, 0.03


def dependence(data: TokenFile) -> Dependence:
    """Among the 30 most frequent tokens, all others taken as one; the bias of few counts is taken off (Miller and Madow
    1955)."""
    symbols = frequent_symbols(data, _TOKENS)
    lags = list(range(1, min(_LAGS, len(symbols) // 4) + 1))
    return Dependence(lags, [_information(symbols[:-lag], symbols[lag:], _FREQUENT + 1) for lag in lags])


def frequent_symbols(data: TokenFile, most: int) -> NDArray[np.int64]:
    """The first tokens of a text, each as its place among the 30 most frequent ones; 30 is any other."""
    ids = data.read(0, most).astype(np.int64)
    frequent = np.argsort(-np.bincount(ids), kind="stable")[:_FREQUENT]
    places = np.full(int(ids.max()) + 1, _FREQUENT)
    places[frequent] = np.arange(len(frequent))
    return places[ids]


def _information(first: NDArray[np.int64], second: NDArray[np.int64], size: int) -> float:
    joint = np.bincount(first * size + second, minlength=size * size).reshape(size, size).astype(np.float64)
    total = joint.sum()
    entropies = [-(p[p > 0] / total * np.log(p[p > 0] / total)).sum() for p in (joint, joint.sum(0), joint.sum(1))]
    used = [(counts > 0).sum() - 1 for counts in (joint, joint.sum(0), joint.sum(1))]
    corrected = [e + n / (2 * total) for e, n in zip(entropies, used, strict=True)]
    return max(float(corrected[1] + corrected[2] - corrected[0]), 0.0)


def longer_context(data: TokenFile, horizon: int) -> LongerContext | None:
    """Compares linear models of the next token with the last `horizon` tokens and with twice and four times as many,
    up to 128; of the contexts that give nearly the best loss, the shortest. None where the text is too short."""
    symbols = frequent_symbols(data, _FITTED)
    longer = sorted({min(times * horizon, _LONGEST) for times in (2, 4)} - {horizon})
    if not longer or horizon >= _LONGEST or len(symbols) < 20 * longer[-1]:
        return None
    near, *far = (_held_out_losses(symbols, lags, longer[-1]) for lags in (horizon, *longer))
    gains = [float((near - losses).mean()) for losses in far]
    place = next(i for i, gain in enumerate(gains) if gain >= max(gains) - 0.05 * abs(max(gains)))
    error = float((near - far[place]).std() / np.sqrt(len(near)))
    return LongerContext(horizon, longer[place], float(near.mean()), gains[place], error)


def _held_out_losses(symbols: NDArray[np.int64], lags: int, skipped: int) -> NDArray[np.float64]:
    """Of softmax regression from the tokens at each of the last `lags`, each in its place, on the last fifth of the
    text; the first `skipped` tokens are no targets."""
    text, size = torch.from_numpy(symbols), _FREQUENT + 1
    contexts = text.unfold(0, lags, 1)[skipped - lags : -1] + torch.arange(lags) * size
    targets = text[skipped:]
    fitted = len(targets) * 4 // 5
    generator = torch.Generator().manual_seed(0)
    weights = nn.Parameter(torch.zeros(lags * size, size))
    optimizer = AdamW([Group([weights], weight_decay=0.0)], _RATE)
    with torch.enable_grad():
        for step in range(_STEPS):
            optimizer.learning_rate = _RATE * (1 - step / _STEPS)
            rows = torch.randint(fitted, (_BATCH,), generator=generator)
            optimizer.zero_grad()
            logits = F.embedding_bag(contexts[rows], weights, mode="sum")
            F.cross_entropy(logits, targets[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    with torch.no_grad():
        logits = F.embedding_bag(contexts[fitted:], weights, mode="sum")
        return F.cross_entropy(logits, targets[fitted:], reduction="none").double().numpy()
