"""A model of targets given sources that is chance alone: a random distribution for each source and each prefix."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from seqloom.data.tokenizer import EOS, PAD, SOS
from seqloom.nn.layer import State
from seqloom.nn.output import PruningThreshold

Source = list[int]


class Read(NamedTuple):
    source: Tensor
    lengths: Tensor


class TableModel(nn.Module):
    """`sharpness`: how unequal the probabilities are. `rows_decoded` counts what the model was asked for."""

    def __init__(self, vocab_size: int, seed: int = 0, sharpness: float = 1.0) -> None:
        super().__init__()
        self.vocab_size, self.seed, self.sharpness = vocab_size, seed, sharpness
        self.rows_decoded = self.calls = 0
        self._known: dict[tuple[tuple[int, ...], tuple[int, ...]], Tensor] = {}

    def distribution(self, source: Sequence[int], prefix: Sequence[int]) -> Tensor:
        """log p(next | source, prefix), the prefix without <sos>."""
        key = tuple(source), tuple(prefix)
        if key not in self._known:
            numbers = self._chance(source, prefix, 0).normal(size=self.vocab_size) * self.sharpness
            self._known[key] = torch.from_numpy(numbers).log_softmax(0)
        return self._known[key].clone()

    def attention(self, source: Sequence[int], prefix: Sequence[int]) -> Tensor:
        return torch.from_numpy(self._chance(source, prefix, 1).dirichlet(np.ones(len(source))))

    def _chance(self, source: Sequence[int], prefix: Sequence[int], use: int) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(repr((self.seed, list(source), list(prefix), use)).encode()))

    def string_log_prob(self, source: Sequence[int], tokens: Sequence[int]) -> float:
        """Of all of `tokens`, which may end with <eos>."""
        return sum(float(self.distribution(source, tokens[:i])[token]) for i, token in enumerate(tokens))

    def encode(self, source: Tensor, lengths: Tensor | None) -> Read:
        assert lengths is not None
        return Read(source, lengths)

    def initial_state(self, encoded: Read, rows: int) -> State:
        return (torch.zeros(len(encoded.source) * rows, 0, dtype=torch.long),)

    def decode_next(
        self, token_ids: Tensor, state: State, encoded: Read, threshold: PruningThreshold | None = None
    ) -> tuple[Tensor, State, Tensor]:
        """Tokens from half the vocabulary on are left out where `threshold` says so, as an output layer may."""
        batch, rows = token_ids.shape
        written = torch.cat([state[0], token_ids.view(-1, 1)], dim=1)
        assert len(encoded.source) == batch
        assert bool((written[:, 0] == SOS).all())
        log_probs = torch.zeros(batch, rows, self.vocab_size, dtype=torch.float64)
        attention = torch.zeros(batch, rows, encoded.source.shape[1], dtype=torch.float64)
        for b, r in itertools.product(range(batch), range(rows)):
            source, prefix = encoded.source[b, : encoded.lengths[b]].tolist(), written[b * rows + r, 1:].tolist()
            log_probs[b, r] = self.distribution(source, prefix)
            attention[b, r, : len(source)] = self.attention(source, prefix)
        if threshold is not None:
            half = max(EOS + 1, self.vocab_size // 2)
            rest = log_probs[:, :, half:]
            rest.masked_fill_(rest < threshold(log_probs[:, :, :half].flatten(0, 1)).view(batch, rows, 1), -torch.inf)
        self.rows_decoded += batch * rows
        self.calls += 1
        return log_probs, (written,), attention

    def log_prob(self, encoded: Read, token_ids: Tensor, targets: Tensor, lengths: Tensor | None = None) -> Tensor:
        assert lengths is not None
        found = torch.full(targets.shape, -1e9, dtype=torch.float64)
        for b, length in enumerate(lengths.tolist()):
            source = encoded.source[b, : encoded.lengths[b]].tolist()
            for t in range(length):
                found[b, t] = self.distribution(source, token_ids[b, 1 : t + 1].tolist())[targets[b, t]]
        return found


def every_string(
    model: TableModel, source: Source, longest: int, never: Sequence[int] = (PAD, SOS), prefix: Sequence[int] = ()
) -> Iterator[tuple[list[int], float, bool]]:
    """Tokens without the end, log-probability, and whether it ended, of every string up to `longest` with its end."""
    allowed = [token for token in range(model.vocab_size) if token not in (*never, EOS)]
    for length in range(len(prefix), longest + 1):
        for rest in itertools.product(allowed, repeat=length - len(prefix)):
            tokens = [*prefix, *rest]
            if length < longest:
                yield tokens, model.string_log_prob(source, [*tokens, EOS]), True
            else:
                yield tokens, model.string_log_prob(source, tokens), False


def random_sources(seed: int, count: int, longest: int = 7) -> list[Source]:
    rng = np.random.default_rng(seed)
    return [[*rng.integers(4, 90, rng.integers(0, longest)).tolist(), EOS] for _ in range(count)]
